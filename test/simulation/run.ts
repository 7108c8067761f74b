import { parseArgs } from 'node:util';
import { replayCommand, simulateMany } from './pool.ts';

/** `npm run sim -- --seeds N [--from K] [--threads T]`, or `--seed K [--trace]` to replay one; `--play spend` for the gateway's books. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    seed: { type: 'string' },
    play: { type: 'string', default: 'fleet' },
    trace: { type: 'boolean', default: false },
  },
});

const play = values.play === 'spend' ? 'spend' : 'fleet';

async function replay(seed: number, withTrace: boolean): Promise<boolean> {
  // Loaded only here: the threads load it for themselves.
  const simulate =
    play === 'fleet' ? (await import('./simulate.ts')).simulate : (await import('./spend/spend.ts')).simulateSpend;
  const outcome = await simulate(seed, { withTrace: true });
  if (withTrace || outcome.violations.length > 0) console.log(outcome.trace.join('\n'));
  for (const violation of outcome.violations.slice(0, 10)) console.log(`seed ${seed}: ${violation}`);
  const seconds = Math.round(outcome.virtualMs / 1000);
  console.log(`seed ${seed}: ${outcome.crashes} crashes, ${outcome.steps} timers, ${seconds} s of virtual time`);
  return outcome.violations.length === 0;
}

if (values.seed !== undefined) {
  process.exitCode = (await replay(Number(values.seed), values.trace)) ? 0 : 1;
} else {
  const begun = performance.now();
  const { schedules, crashes, lostWithVm, failed } = await simulateMany(play, {
    from: Number(values.from),
    count: Number(values.seeds),
    threads: Number(values.threads),
  });
  const rate = Math.round(schedules / ((performance.now() - begun) / 1000));
  if (failed !== null) {
    await replay(failed.seed, false);
    console.log(`replay it: ${replayCommand(play, failed.seed)}`);
  }
  console.log(
    `${schedules} schedules, ${crashes} crashes, ${play === 'fleet' ? `${lostWithVm} VMs lost with unsaved work, ` : ''}${rate} schedules/s`,
  );
  process.exitCode = failed === null ? 0 : 1;
}
