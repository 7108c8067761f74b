import { readdir, readFile } from 'node:fs/promises';
import { takenBytes } from '../../../src/reclaim/sweep.ts';
import { inetSocketsOf } from '../../support/inet-sockets.ts';
import { leftoversOf, libvirtFolders, libvirtProcesses, openFilesOf } from '../../support/leftovers.ts';
import { type Result, single } from '../result.ts';
import { type Bed, remove } from './bed.ts';

/** What the host has of VMs, those that are there left out. */
interface Holding {
  bytes: number;
  files: number;
  open: number;
  sockets: number;
  memoryKiB: number;
}

const warmUp = 4;

/**
 * VMs made and removed again, forked and created in turn. How much more there is afterwards than after the first few: what the bed's folder
 * takes, libvirt's own files, and what its daemons and this process hold (open files, internet sockets, memory). All but memory must be 0;
 * throws where anything of a VM is left.
 */
export async function cycles(bed: Bed, count: number, say: (line: string) => void): Promise<Result[]> {
  const ids: string[] = [];
  const began = performance.now();
  const run = async (n: number) => {
    const id = bed.nextId();
    ids.push(id);
    if (n % 2 === 0) await bed.driver.fork(bed.spec(id));
    else {
      await bed.driver.create(bed.spec(id));
      await bed.driver.start(id);
    }
    await remove(bed, id);
  };
  for (let n = 0; n < warmUp; n++) await run(n);
  const before = await look(bed);
  for (let n = 0; n < count; n++) {
    await run(n);
    if ((n + 1) % 20 === 0) say(`vm: ${n + 1} of ${count} VMs made and removed`);
  }
  const after = await look(bed);
  const left = await leftoversOf(bed.root, ids);
  if (left.length > 0) throw new Error(`${count} VMs made and removed left behind:\n${left.join('\n')}`);
  const more = (what: keyof Holding) => after[what] - before[what];
  const named = (what: string, unit: string, value: number) =>
    single(`${count} VMs made and removed: ${what}`, unit, value, count);
  return [
    named('each', 'ms', (performance.now() - began) / (count + warmUp)),
    named('disk more than before', 'KiB', more('bytes') / 1024),
    named('files more than before', 'files', more('files')),
    named('open files more than before', 'files', more('open')),
    named('internet sockets more than before', 'sockets', more('sockets')),
    named('memory of libvirt more than before', 'KiB', more('memoryKiB')),
  ];
}

async function look(bed: Bed): Promise<Holding> {
  const daemons = await libvirtProcesses();
  const pids = [...daemons, process.pid];
  const names = await Promise.all(libvirtFolders.map((folder) => readdir(folder, { recursive: true }).catch(() => [])));
  const rss = async (pid: number) =>
    Number(/^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''))?.[1] ?? 0);
  return {
    bytes: await takenBytes(bed.root),
    files: names.flat().length + (await readdir(bed.root, { recursive: true })).length,
    open: (await Promise.all(pids.map(openFilesOf))).flat().length,
    sockets: (await inetSocketsOf(pids)).length,
    memoryKiB: (await Promise.all(daemons.map(rss))).reduce((sum, one) => sum + one, 0),
  };
}
