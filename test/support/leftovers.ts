import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createExec } from '../../src/lib/exec.ts';

/**
 * The leftovers check of every suite that makes VMs. What is looked at is told by the suite's own folder and the ids of its VMs: others may
 * be at work on the same machine.
 */
const exec = createExec();

/** For the user's own libvirt; for root the system's. */
export const virsh = ['virsh', '-q', '-c', 'qemu:///session'];

/**
 * What a suite must not leave on the machine once its VMs are gone; empty when all is well. `root` is its folder, there still or removed
 * already: processes, domains, sockets, mounts below it, and files that libvirt's daemons or the suite itself hold open there; of each VM its
 * files (disk, save file, lease of a template, log, pid file), wherever they stand. A listening port has a process, so it would be found with
 * that.
 */
export async function leftoversOf(root: string, vmIds: readonly string[] = []): Promise<string[]> {
  const found = await findMarked([root, ...vmIds.map(nameOf)]);
  found.push(...(await linesWith('/proc/net/unix', root)).map((line) => `socket: ${line.split(' ').at(-1)}`));
  found.push(...(await linesWith('/proc/self/mounts', root)).map((line) => `mount: ${line}`));
  found.push(...(await filesOf(root, vmIds)));
  return found;
}

/** The same of one VM, while others of the suite are there. */
export async function leftoversOfVm(root: string, id: string): Promise<string[]> {
  const found = [...(await findMarked([nameOf(id)])), ...(await filesOf(root, [id]))];
  found.push(...(await linesWith('/proc/net/unix', `vm-${id}/`)).map((line) => `socket: ${line.split(' ').at(-1)}`));
  return found;
}

/** What runs: processes and domains. */
export async function tracesOf(root: string): Promise<string[]> {
  return [...(await processesOf(root)), ...(await domainsOf(root, 'all')).map((name) => `VM ${name}`)];
}

/** Names of the domains that one of the marks stands in: a folder of their files, or their own name. */
export async function domainsOf(marks: string | readonly string[], which: 'running' | 'all'): Promise<string[]> {
  const { stdout } = await exec([...virsh, 'list', '--name', ...(which === 'all' ? ['--all'] : [])]);
  const found: string[] = [];
  for (const name of stdout.split('\n').filter(Boolean)) {
    const xml = (await exec([...virsh, 'dumpxml', name], { okExitCodes: [0, 1] })).stdout;
    if (hasAny(xml, marks)) found.push(name);
  }
  return found;
}

/** Processes with one of the marks in their environment, command line or working folder: `PID COMMAND`. libvirt's daemons serve others too. */
export async function processesOf(marks: string | readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await processIds()) {
    const command = await commandOf(pid);
    if (pid === process.pid || isLibvirt(command)) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (hasAny(`${command}${environment}${folder}`, marks))
      found.push(`${pid} ${command.replaceAll('\0', ' ').slice(0, 200)}`);
  }
  return found;
}

/** What a process holds open: files (those removed meanwhile say so), sockets, pipes. */
export async function openFilesOf(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch(() => []);
  return Promise.all(names.map((name) => readlink(join(folder, name)).catch(() => '')));
}

/** libvirt's daemons on this machine. */
export async function libvirtProcesses(): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await processIds()) if (isLibvirt(await commandOf(pid))) found.push(pid);
  return found;
}

/** Where libvirt keeps what is its own of VMs: logs, saved memory, pid files, definitions. */
export const libvirtFolders = [
  '/var/log/libvirt/qemu',
  '/var/lib/libvirt/qemu',
  '/run/libvirt/qemu',
  '/etc/libvirt/qemu',
];

/** Processes, domains, and files held open by libvirt or this process, in which one of the marks stands. */
async function findMarked(marks: readonly string[]): Promise<string[]> {
  const found = [...(await processesOf(marks)), ...(await domainsOf(marks, 'all')).map((name) => `VM ${name}`)];
  for (const pid of [...(await libvirtProcesses()), process.pid]) {
    const files = (await openFilesOf(pid)).filter((file) => hasAny(file, marks));
    found.push(...files.map((file) => `open in process ${pid}: ${file}`));
  }
  return found;
}

function hasAny(text: string, marks: string | readonly string[]): boolean {
  return [marks].flat().some((mark) => text.includes(mark));
}

/** Files of VMs: below the suite's own folder they are named by its id alone. */
async function filesOf(root: string, vmIds: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const folder of [...libvirtFolders, root]) {
    const names = await readdir(folder, { recursive: true }).catch(() => []);
    const marks = folder === root ? vmIds : vmIds.map(nameOf);
    found.push(...names.filter((name) => hasAny(name, marks)).map((name) => join(folder, name)));
  }
  return found;
}

function nameOf(id: string): string {
  return `rf-${id}`;
}

function isLibvirt(command: string): boolean {
  return /^(\S*\/)?(libvirtd|virtqemud|virtlogd)\0/.test(command);
}

function commandOf(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
}

async function processIds(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

async function linesWith(file: string, text: string): Promise<string[]> {
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n');
  return lines.filter((line) => line.includes(text));
}
