import { parseArgs } from 'node:util';
import { simulate } from './simulate.ts';

/** `npm run sim -- --seeds N [--from K]`, or `--seed K --trace` to replay one. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

async function replay(seed: number, withTrace: boolean): Promise<boolean> {
  const outcome = await simulate(seed, { withTrace: true });
  if (outcome.violations.length === 0 && !withTrace) return true;
  if (withTrace || outcome.violations.length > 0) console.log(outcome.trace.join('\n'));
  for (const violation of outcome.violations.slice(0, 10)) console.log(`seed ${seed}: ${violation}`);
  console.log(
    `seed ${seed}: ${outcome.crashes} crashes, ${outcome.steps} timers, ${Math.round(outcome.virtualMs / 1000)} s of virtual time`,
  );
  return outcome.violations.length === 0;
}

if (values.seed !== undefined) {
  process.exitCode = (await replay(Number(values.seed), values.trace)) ? 0 : 1;
} else {
  const from = Number(values.from);
  const count = Number(values.seeds);
  const begun = performance.now();
  let crashes = 0;
  let failed = 0;
  for (let seed = from; seed < from + count && failed === 0; seed++) {
    const outcome = await simulate(seed);
    crashes += outcome.crashes;
    if (outcome.violations.length > 0) {
      failed++;
      await replay(seed, false);
      console.log(`replay it: npm run sim -- --seed ${seed} --trace`);
    }
  }
  const seconds = (performance.now() - begun) / 1000;
  console.log(`${count} schedules, ${crashes} crashes, ${Math.round(count / seconds)} schedules/s`);
  process.exitCode = failed === 0 ? 0 : 1;
}
