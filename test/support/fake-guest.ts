import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Tunnel } from '../../src/contract/gateway.ts';

/**
 * What a guest is to the gateway, on this machine: a unix socket behind which a real sshd answers one connection at a time (as
 * behind a virtio-serial port), and the real relay from a local TCP port to the unix socket that the tunnel makes.
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
  let last: Promise<unknown> = Promise.resolve();
  const port = createServer((socket) => {
    last = last.then(() => serveSsh(socket, config, children));
  });
  const path = join(folder, 'ssh.sock');
  await new Promise<void>((resolve) => port.listen(path, resolve));
  const relay = await startRelay(join(folder, 'ralph-relay.cjs'), guestSocket);
  const cutTunnel = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  return {
    tunnel: { endpoint: { kind: 'unix', path }, hostKey, privateKeyFile: join(folder, 'client') },
    guestSocket,
    url: `http://127.0.0.1:${relay.port}`,
    cutTunnel,
    close: async () => {
      cutTunnel();
      port.close();
      relay.child.kill('SIGKILL');
    },
  };
}

/** Resolves when its connection is over. A socket that waits for its turn may be gone by then. */
async function serveSsh(socket: Socket, config: string, children: Set<ChildProcess>): Promise<void> {
  if (socket.destroyed) return;
  const child = spawn(sshd, ['-i', '-f', config], { stdio: ['pipe', 'pipe', 'ignore'], env: {} });
  children.add(child);
  child.once('exit', () => {
    children.delete(child);
    socket.destroy();
  });
  child.stdin.on('error', () => {});
  socket.on('error', () => {});
  const over = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.pipe(child.stdin);
  child.stdout.pipe(socket);
  await over;
  child.kill();
}

/** The program of the guest's image. */
async function startRelay(script: string, target: string): Promise<{ child: ChildProcess; port: number }> {
  copyFileSync('src/guest/scripts/ralph-relay', script); // by its name no ES module, as in the guest
  const free = createServer();
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const env = { RALPH_RELAY_TARGET: target, RALPH_RELAY_PORT: String(port) };
  const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const answers = () =>
    new Promise<boolean>((resolve) => {
      const socket = createConnection({ host: '127.0.0.1', port });
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  while (!(await answers())) {
    if (child.exitCode !== null) throw new Error('the relay has ended');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { child, port };
}
