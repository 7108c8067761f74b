import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { exec, type FleetHome, virsh } from './fleet-home.ts';

const grep = async (secret: string, path: string): Promise<string[]> => {
  // The pattern goes in by a file descriptor: an argument would be found among the processes.
  const { stdout } = await exec(['grep', '-raslF', '-f', '-', '--', path], { input: secret, okExitCodes: [0, 1, 2] });
  return stdout.split('\n').filter(Boolean);
};

/**
 * Where a secret is and should not be: every file of the home (databases, logs, runs, disks), every object of its repositories,
 * every command line of the machine, and the environment of every process but the two that need it: the gateway, and the
 * daemon, which starts the gateway again.
 */
export async function findSecret(home: FleetHome, secret: string): Promise<string[]> {
  const found = await grep(secret, home.root);
  for (const file of await readdir(home.paths.repos, { recursive: true })) {
    if (!file.endsWith('/objects')) continue;
    const repository = join(home.paths.repos, file, '..');
    const all = ['git', '-C', repository, 'cat-file', '--batch', '--batch-all-objects', '--unordered'];
    if ((await exec(all)).stdout.includes(secret)) found.push(`objects of ${repository}`);
  }
  const allowed = [await home.daemonPid(), await home.gatewayPid()];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '');
    const command = await read('cmdline');
    if (command.includes(secret)) found.push(`argv of ${pid}`);
    if ((await read('environ')).includes(secret) && !allowed.includes(Number(pid)))
      found.push(`environment of ${pid}: ${command.replaceAll('\0', ' ').slice(0, 120)}`);
  }
  return found;
}

/** The same for a running VM: its disk on the host, and all of its memory, which holds every process and what was read. */
export async function findSecretInVm(home: FleetHome, name: string, secret: string): Promise<string[]> {
  const found = await grep(secret, join(home.paths.vms, name.slice('rf-'.length)));
  const dump = join(home.root, 'tmp', 'memory');
  try {
    await exec([...virsh, 'dump', name, dump, '--memory-only', '--live'], { timeoutMs: 120_000 });
    if ((await grep('ralph-iterate', dump)).length === 0) throw new Error('the memory of the VM could not be read');
    found.push(...(await grep(secret, dump)));
  } finally {
    await rm(dump, { force: true });
  }
  return found;
}
