import { spawnSync } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '../../src/lib/alive.ts';
import { createExec, type Exec } from '../../src/lib/exec.ts';
import { until } from './gateway-process.ts';

/**
 * A libvirt of a test's own, which may be killed: root's daemons in namespaces of mounts and networks of their own, so that all they keep
 * (definitions, sockets, logs, saved memory) stands in the test's folder and the machine's own libvirt does not know of it. Wants root.
 */
export interface OwnLibvirt {
  /** Sends virsh to this libvirt. */
  exec: Exec;
  /** How that is written out: `virsh -q -c …`. */
  virsh: string[];
  /** `kill -9` of the daemon; VMs run on. */
  kill(): Promise<void>;
  /** The daemon again, as an upgrade of the package or a supervisor does. */
  start(): Promise<void>;
  /** Asks it to end, with its log daemon. VMs must be gone. */
  close(): Promise<void>;
}

/** Where root's libvirt keeps what is its own. */
const places = { run: '/run/libvirt', lib: '/var/lib/libvirt', log: '/var/log/libvirt', etc: '/etc/libvirt' };
const daemons = ['virtlogd', 'libvirtd'] as const;
type Daemon = (typeof daemons)[number];

export function canHaveOwnLibvirt(): boolean {
  return process.getuid?.() === 0 && spawnSync('unshare', ['-m', '-n', 'true']).status === 0;
}

export async function startOwnLibvirt(folder: string): Promise<OwnLibvirt> {
  const plain = createExec();
  const pidFile = (daemon: Daemon) => join(folder, `${daemon}.pid`);
  const pidOf = async (daemon: Daemon) => Number((await readFile(pidFile(daemon), 'utf8').catch(() => '')).trim());
  for (const name of Object.keys(places)) await mkdir(join(folder, name), { recursive: true });
  await mkdir(join(folder, 'lib/qemu'));
  const mounts = Object.entries(places).map(([name, at]) => `mount --bind ${join(folder, name)} ${at}`);
  const begin = daemons.map((daemon) => `${daemon} -d -p ${pidFile(daemon)}`);
  await plain(['unshare', '-m', '-n', '--propagation', 'private', 'sh', '-ec', [...mounts, ...begin].join('\n')]);
  const uri = `qemu+unix:///session?socket=${join(folder, 'run/libvirt-sock')}`;
  const exec: Exec = (argv, options) =>
    plain(
      argv.map((arg) => (arg === 'qemu:///session' ? uri : arg)),
      options,
    );
  const virsh = ['virsh', '-q', '-c', uri];

  async function end(daemon: Daemon, signal: NodeJS.Signals): Promise<void> {
    const pid = await pidOf(daemon);
    process.kill(pid, signal);
    await until(`${daemon} is gone`, () => !isAlive(pid));
  }
  const answers = () => until('libvirt answers', () => plain([...virsh, 'version']).catch(() => null));
  await answers();
  return {
    exec,
    virsh,
    kill: () => end('libvirtd', 'SIGKILL'),
    async start() {
      const inside = ['nsenter', '-t', String(await pidOf('virtlogd')), '-m', '-n'];
      await plain([...inside, 'libvirtd', '-d', '-p', pidFile('libvirtd')]);
      await answers();
    },
    async close() {
      for (const daemon of daemons.toReversed()) await end(daemon, 'SIGTERM');
    },
  };
}
