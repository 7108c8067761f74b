import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Tunnel } from '../../src/contract/gateway.ts';

/**
 * What a guest is to the gateway, on this machine: a unix socket behind which a real sshd answers (as behind a virtio-serial
 * port), and a relay from a local TCP port to the unix socket that the tunnel makes.
 */
export interface FakeGuest {
  tunnel: Tunnel;
  guestSocket: string;
  /** What an agent in the guest would use as its base URL. */
  url: string;
  /** Breaks every ssh connection at once. */
  cutTunnel(): void;
  close(): Promise<void>;
}

const sshd = '/usr/sbin/sshd';

export async function startFakeGuest(folder: string): Promise<FakeGuest> {
  if (!existsSync(sshd)) throw new Error(`These tests need \`${sshd}\`: apt-get install openssh-server`);
  mkdirSync(folder, { recursive: true });
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 }); // sshd's own wish
  const key = (name: string) => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)]);
    return readFileSync(join(folder, `${name}.pub`), 'utf8').trim();
  };
  const hostKey = key('host').split(' ').slice(0, 2).join(' ');
  writeFileSync(join(folder, 'authorized_keys'), `${key('client')}\n`, { mode: 0o600 });
  const config = join(folder, 'sshd_config');
  writeFileSync(
    config,
    [
      `HostKey ${join(folder, 'host')}`,
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'AllowStreamLocalForwarding yes',
    ].join('\n'),
  );
  const guestSocket = join(folder, 'in-guest', 'gateway.sock');
  const children = new Set<ChildProcess>();
  const port = createServer((socket) => serveSsh(socket, config, children));
  const path = join(folder, 'ssh.sock');
  await new Promise<void>((resolve) => port.listen(path, resolve));
  const relay = createServer((socket) => relayTo(socket, guestSocket));
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  const cutTunnel = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  return {
    tunnel: { endpoint: { kind: 'unix', path }, hostKey, privateKeyFile: join(folder, 'client') },
    guestSocket,
    url: `http://127.0.0.1:${(relay.address() as AddressInfo).port}`,
    cutTunnel,
    close: async () => {
      cutTunnel();
      port.close();
      relay.close();
    },
  };
}

function serveSsh(socket: Socket, config: string, children: Set<ChildProcess>): void {
  const child = spawn(sshd, ['-i', '-f', config], { stdio: ['pipe', 'pipe', 'ignore'], env: {} });
  children.add(child);
  child.once('exit', () => {
    children.delete(child);
    socket.destroy();
  });
  child.stdin.on('error', () => {});
  socket.on('error', () => {});
  socket.once('close', () => child.kill());
  socket.pipe(child.stdin);
  child.stdout.pipe(socket);
}

function relayTo(socket: Socket, path: string): void {
  const up = createConnection({ path });
  for (const it of [socket, up]) it.on('error', () => {});
  socket.once('close', () => up.destroy());
  up.once('close', () => socket.destroy());
  socket.pipe(up);
  up.pipe(socket);
}
