import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { GuestAddress, Guests, JobSpec, JobState } from '../../../src/guest/guest.ts';
import { createGuests, type Patience } from '../../../src/guest/guests.ts';
import { createSystemClock } from '../../../src/lib/clock.ts';
import { createExec } from '../../../src/lib/exec.ts';
import { createSilentLog } from '../../../src/lib/log.ts';

/** A guest without a VM: the real scripts below a temp root, a real `sshd -i` behind a unix socket. Wants root and openssh-server. */
export interface LocalGuest {
  root: string;
  user: string;
  address: GuestAddress;
  /** A daemon's own access; each call makes another daemon. */
  daemon(patience?: Partial<Patience>, hostKey?: string): Guests;
  /** What the next connections meet instead of sshd. */
  misbehave(how: ((socket: Socket) => void) | null): void;
  /** Cuts every connection there is. */
  cut(): void;
  connections(): number;
  run(script: string, ...args: string[]): Promise<string>;
  job(id: string, more: Partial<JobSpec>): JobSpec;
  close(): Promise<void>;
}

export const exec = createExec();
const scripts = join(import.meta.dirname, '../../../src/guest/scripts');

export async function startLocalGuest(user = 'nobody', within = tmpdir()): Promise<LocalGuest> {
  const root = await mkdtemp(join(within, 'rf-guest-'));
  await chmod(root, 0o755);
  const bin = join(root, 'bin');
  await cp(scripts, bin, { recursive: true });
  await mkdir(join(root, 'home', user), { recursive: true });
  await exec(['chown', user, join(root, 'home', user)]);
  await writeFile(
    join(bin, 'ralph-verify'),
    '#!/bin/sh\ncat "$RALPH_ROOT/verify.json"\n! grep -q \'"ok":false\' "$RALPH_ROOT/verify.json"\n',
    { mode: 0o755 },
  );
  await writeFile(join(bin, 'ralph-identity'), '#!/bin/sh\ncat "$RALPH_ROOT/identity.json"\n', { mode: 0o755 });
  for (const key of ['host', 'login', 'other']) {
    await exec(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', key, '-f', join(root, key)]);
  }
  await mkdir('/run/sshd', { recursive: true });
  await writeFile(
    join(root, 'sshd_config'),
    [`HostKey ${root}/host`, `AuthorizedKeysFile ${root}/login.pub`, 'StrictModes no', 'UsePAM no', 'PidFile none']
      .concat(['PermitRootLogin prohibit-password', `SetEnv RALPH_ROOT=${root} RALPH_GRACE_S=1`, 'LogLevel ERROR'])
      .join('\n'),
  );
  const children = new Set<ChildProcess>();
  const sockets = new Set<Socket>();
  let misbehaviour: ((socket: Socket) => void) | null = null;
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    if (misbehaviour !== null) return misbehaviour(socket);
    serveSshd(socket, join(root, 'sshd_config'), children);
  });
  const path = join(root, 'ssh.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const endpoint = { kind: 'unix', path } as const;
  const hostKey = (await readFile(join(root, 'host.pub'), 'utf8')).trim();
  const daemons: Guests[] = [];
  return {
    root,
    user,
    address: { id: '0a1b2c3d', control: endpoint, people: endpoint, hostKey },
    daemon(patience = {}) {
      const made = createGuests({
        clock: createSystemClock(),
        log: createSilentLog(),
        keyFile: join(root, 'login'),
        scripts: bin,
        patience,
      });
      daemons.push(made);
      return made;
    },
    misbehave(how) {
      misbehaviour = how;
    },
    cut: () => sockets.forEach((socket) => void socket.destroy()),
    connections: () => connections,
    run: async (script, ...args) =>
      (await exec([join(bin, script), ...args], { env: { PATH: process.env['PATH'] ?? '', RALPH_ROOT: root } })).stdout,
    job: (id, more) => ({
      ...{
        id,
        kind: 'agent',
        user,
        title: 'ralph-1',
        cwd: join(root, 'home', user),
        argv: ['true'],
        checks: [],
        env: {},
      },
      ...{ files: [], paneFilter: null, timeoutSeconds: 60, maxStreamBytes: 1_000_000_000 },
      ...more,
    }),
    close: async () => {
      for (const daemon of daemons) await daemon.close();
      for (const child of children) child.kill();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await tearDown(root, user);
    },
  };
}

export function serveSshd(socket: Duplex, config: string, children: Set<ChildProcess>): void {
  const sshd = spawn('/usr/sbin/sshd', ['-i', '-e', '-f', config], { stdio: ['pipe', 'pipe', 'ignore'] });
  children.add(sshd);
  sshd.stdin.on('error', () => {});
  socket.pipe(sshd.stdin);
  sshd.stdout.pipe(socket);
  socket.on('close', () => sshd.kill());
  sshd.on('exit', () => {
    children.delete(sshd);
    socket.destroy();
  });
}

async function tearDown(root: string, user: string): Promise<void> {
  const states = await exec([join(root, 'bin/ralph-job'), 'states'], {
    env: { PATH: '/usr/bin:/bin', RALPH_ROOT: root },
  });
  for (const line of states.stdout.split('\n').filter((l) => l !== '')) {
    const { id } = JSON.parse(line) as JobState;
    await exec([join(root, 'bin/ralph-job'), 'stop', id, '0'], { env: { PATH: '/usr/bin:/bin', RALPH_ROOT: root } });
  }
  await exec(['tmux', '-S', join(root, 'run/ralph-tmux', `${user}.tmux`), 'kill-server'], { okExitCodes: [0, 1] });
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
}

/** Waits until the job is in a state, by asking. */
export async function until(
  guests: Guests,
  address: GuestAddress,
  id: string,
  state: JobState['state'],
): Promise<JobState> {
  for (let tries = 0; tries < 300; tries++) {
    const job = (await guests.jobs(address)).find((one) => one.id === id);
    if (job?.state === state) return job;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`job ${id} did not become ${state}: ${JSON.stringify(await guests.jobs(address))}`);
}

export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
