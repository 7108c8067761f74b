import { simulateMany } from '../simulation/pool.ts';
import { type Bench, single } from './result.ts';

/** As many as the test plays: with fewer the start of the threads is what is measured. */
const schedules = 2000;
const threads = 2;

/** Schedules of the simulation a second: faults, crashes and people against the whole control plane. */
export const sim: Bench = async (say) => {
  const began = performance.now();
  const tally = await simulateMany('fleet', { from: 1, count: schedules, threads });
  const seconds = (performance.now() - began) / 1000;
  if (tally.failed !== null) throw new Error(`seed ${tally.failed.seed} failed: ${tally.failed.violations[0]}`);
  say(`sim: ${tally.schedules} schedules in ${seconds.toFixed(1)} s on ${threads} threads`);
  return [single('schedules', '1/s', tally.schedules / seconds, tally.schedules)];
};
