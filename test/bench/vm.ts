import { against, type Bench, type Result, single, spread } from './result.ts';
import { type Bed, boot, fork, makeBed, remove, saveTemplate, type Taken } from './vm/bed.ts';
import { cycles } from './vm/cycles.ts';
import { memory } from './vm/memory.ts';
import { turnAround } from './vm/turn-around.ts';

const whole = { boots: 4, forks: 12, atOnce: 5, turns: { boots: 3, forks: 8 }, vms: 8, cycles: 200 };
const quick = { boots: 1, forks: 2, atOnce: 2, turns: { boots: 1, forks: 1 }, vms: 2, cycles: 6 };

/**
 * A VM booted and a VM forked, to the same two points: its identity is set and known to the host; the first command over ssh ended. Then
 * several forks at once, a verifier's whole turn, what VMs hold of the memory, and what is left of many that were made and removed.
 */
export const vm: Bench = async (say, options) => {
  const counts = options.quick ? quick : whole;
  await using bed = await makeBed();
  const booted = await series(counts.boots, boot, bed, say, 'boot');
  await saveTemplate(bed, say);
  const forked = await series(counts.forks, fork, bed, say, 'fork');
  const bases = measured(booted, 'boot');
  const forks = measured(forked, 'fork').map((result, n) => against(result, bases[n] ?? result));
  const [, toCommand] = forks;
  const crowd = await together(bed, counts.atOnce, say);
  return [
    single('image build with nothing to do', 'ms', bed.builtMs),
    ...[...bases, ...forks],
    toCommand === undefined ? crowd : against(crowd, toCommand),
    spread(
      'overlay of a fork at its birth',
      'KiB',
      forked.map(({ overlay }) => overlay / 1024),
    ),
    ...(await turnAround(bed, counts.turns, say)),
    ...(await memory(bed, 'booted', boot, counts.vms, say)),
    ...(await memory(bed, 'forked', fork, counts.vms, say)),
    ...(await cycles(bed, counts.cycles, say)),
  ];
};

/** One after the other, each removed before the next. */
async function series(
  count: number,
  make: (bed: Bed) => Promise<Taken>,
  bed: Bed,
  say: (line: string) => void,
  name: string,
): Promise<Taken[]> {
  const all: Taken[] = [];
  for (let n = 0; n < count; n++) {
    const taken = await make(bed);
    await remove(bed, taken.address.id);
    all.push(taken);
    const [identity, command] = [taken.identity, taken.command].map((ms) => (ms / 1000).toFixed(2));
    say(`vm: ${name} ${n + 1} of ${count}: identity after ${identity} s, a command after ${command} s`);
  }
  return all;
}

function measured(all: readonly Taken[], name: string): Result[] {
  return [
    spread(
      `${name} to identity`,
      'ms',
      all.map(({ identity }) => identity),
    ),
    spread(
      `${name} to the first command`,
      'ms',
      all.map(({ command }) => command),
    ),
  ];
}

async function together(bed: Bed, atOnce: number, say: (line: string) => void): Promise<Result> {
  const began = performance.now();
  const all = await Promise.all(Array.from({ length: atOnce }, () => fork(bed)));
  const ms = performance.now() - began;
  say(`vm: ${atOnce} forks at once in ${(ms / 1000).toFixed(1)} s`);
  for (const { address } of all) await remove(bed, address.id);
  return single(`${atOnce} forks at once to the first command of each`, 'ms', ms, atOnce);
}
