import { readFile } from 'node:fs/promises';
import { processesOf } from '../../support/leftovers.ts';
import { type Result, single } from '../result.ts';
import { type Bed, remove, type Taken } from './bed.ts';

/**
 * What QEMU's processes hold together with 1 to `most` VMs, each made (`make`) after the other: resident, and with what they share counted once
 * (PSS). The first, all, and what each further one adds.
 */
export async function memory(
  bed: Bed,
  name: string,
  make: (bed: Bed) => Promise<Taken>,
  most: number,
  say: (line: string) => void,
): Promise<Result[]> {
  const ids: string[] = [];
  const steps: { rss: number; pss: number }[] = [];
  try {
    for (let n = 1; n <= most; n++) {
      ids.push((await make(bed)).address.id);
      const held = await heldMiB(ids);
      steps.push(held);
      say(`vm: ${n} ${name}: ${Math.round(held.rss)} MiB resident, ${Math.round(held.pss)} MiB PSS`);
    }
  } finally {
    for (const id of ids) await remove(bed, id);
  }
  const [first, last] = [steps[0], steps.at(-1)];
  if (first === undefined || last === undefined) return [];
  return (['rss', 'pss'] as const).flatMap((what) => [
    single(`${what} of 1 VM ${name}`, 'MiB', first[what]),
    single(`${what} of ${most} VMs ${name}`, 'MiB', last[what], most),
    ...(most > 1
      ? [single(`${what} of each further VM ${name}`, 'MiB', (last[what] - first[what]) / (most - 1), most - 1)]
      : []),
  ]);
}

async function heldMiB(ids: readonly string[]): Promise<{ rss: number; pss: number }> {
  const sum = { rss: 0, pss: 0 };
  for (const line of await processesOf(ids.map((id) => `rf-${id}`))) {
    const text = await readFile(`/proc/${Number.parseInt(line, 10)}/smaps_rollup`, 'utf8').catch(() => '');
    const mib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024;
    sum.rss += mib('Rss');
    sum.pss += mib('Pss');
  }
  return sum;
}
