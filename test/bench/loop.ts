import type { Store } from '../../src/store/store.ts';
import { simulate } from '../simulation/simulate.ts';
import { anIteration, aTask } from '../support/rows.ts';
import { against, type Bench, type Result, single } from './result.ts';

const pasts = [0, 100, 1_000, 10_000];
const schedules = 40;
const perTask = 5;

/**
 * What the controller computes for an iteration, from claim to merge, over its real store and fake ports, with so many iterations
 * behind it. The same schedules each time, by turns; the ports' own work is in it.
 */
export const loop: Bench = async (say) => {
  const spent = pasts.map(() => ({ seconds: 0, iterations: 0 }));
  for (let seed = 1; seed <= schedules; seed++) {
    for (const [at, past] of pasts.entries()) {
      let began = process.cpuUsage();
      let used = began;
      const { iterations, violations } = await simulate(seed, {
        measure: {
          begin: (store) => {
            fill(store, past);
            began = process.cpuUsage();
          },
          end: () => {
            used = process.cpuUsage(began);
          },
        },
      });
      if (violations.length > 0) throw new Error(`seed ${seed}: ${violations[0]}`);
      const sum = spent[at];
      if (sum === undefined || seed <= schedules / 10) continue; // the first are compiled
      sum.seconds += (used.user + used.system) / 1e6;
      sum.iterations += iterations - past;
    }
  }
  const results = spent.map(({ seconds, iterations }, at) =>
    single(`cpu of an iteration after ${pasts[at]}`, 'ms', (seconds * 1000) / iterations, iterations),
  );
  const [first, ...others] = results as [Result, ...Result[]];
  const all = [first, ...others.map((it) => against(it, first))];
  for (const { name, value, vs } of all) say(`loop: ${name}: ${value} ms${vs ? `, ${vs.ratio} times the first` : ''}`);
  return all;
};

function fill(store: Store, past: number): void {
  store.tx(() => {
    for (let n = 0; n < past; n++) {
      const task = `OLD-${Math.floor(n / perTask)}`;
      if (n % perTask === 0) store.tasks.insert(aTask({ id: task, phase: 'merged', iterations: perTask }));
      const ended = { phase: 'ended', outcome: 'done', endedAt: 2, startedAt: 1 } as const;
      store.iterations.insert(anIteration({ id: `old-${n}`, task, n: n % perTask, ...ended }));
      store.events.add('iteration.ended', task, 'It ended.');
    }
  });
}
