import { parentPort, workerData } from 'node:worker_threads';
import type { Share, Tally } from './pool.ts';

/** One thread's share of the seeds: `from`, `from + stride`, … Stops at its first failing one. */
// Faults are thrown by the thousand, and nobody reads their stacks here; a replay has them whole.
Error.stackTraceLimit = 1;

const { play, from, to, stride } = workerData as Share;
const simulate =
  play === 'fleet' ? (await import('./simulate.ts')).simulate : (await import('./spend/spend.ts')).simulateSpend;
const tally: Tally = { schedules: 0, crashes: 0, lostWithVm: 0, failed: null };
for (let seed = from; seed < to && tally.failed === null; seed += stride) {
  const outcome = await simulate(seed);
  tally.schedules++;
  tally.crashes += outcome.crashes;
  if ('lostWithVm' in outcome) tally.lostWithVm += Number(outcome.lostWithVm);
  if (outcome.violations.length > 0) tally.failed = { seed, violations: outcome.violations };
}
parentPort?.postMessage(tally);
