import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** What is played: the control plane (`simulate.ts`), or the gateway's books (`spend/spend.ts`). */
export type Play = 'fleet' | 'spend';

export interface Share {
  play: Play;
  from: number;
  /** Not included. */
  to: number;
  stride: number;
}

export interface Tally {
  schedules: number;
  crashes: number;
  /** Times a VM that could not be brought back took unsaved work with it. */
  lostWithVm: number;
  failed: { seed: number; violations: string[] } | null;
}

export interface Range {
  from: number;
  count: number;
  threads: number;
}

/** Plays the seeds `from` to `from + count - 1` on several threads; the lowest failing seed of those played is told. */
export async function simulateMany(play: Play, { from, count, threads }: Range): Promise<Tally> {
  const shares = Array.from({ length: threads }, (_, at) => ({
    play,
    from: from + at,
    to: from + count,
    stride: threads,
  }));
  const tallies = await Promise.all(shares.map(playShare));
  const failed = tallies.flatMap((tally) => tally.failed ?? []).sort((a, b) => a.seed - b.seed);
  const sum = (of: (tally: Tally) => number) => tallies.reduce((all, tally) => all + of(tally), 0);
  return {
    schedules: sum((tally) => tally.schedules),
    crashes: sum((tally) => tally.crashes),
    lostWithVm: sum((tally) => tally.lostWithVm),
    failed: failed[0] ?? null,
  };
}

async function playShare(share: Share): Promise<Tally> {
  const execArgv = ['--disable-warning=ExperimentalWarning'];
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: share, execArgv });
  const [tally] = (await once(worker, 'message')) as [Tally];
  await worker.terminate();
  return tally;
}

export function replayCommand(play: Play, seed: number): string {
  return `npm run sim -- ${play === 'fleet' ? '' : `--play ${play} `}--seed ${seed} --trace`;
}
