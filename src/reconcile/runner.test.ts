import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { aWorld } from '../../test/support/rows.ts';
import type { Log } from '../lib/log.ts';
import type { Step } from './plan/step.ts';
import { createRunner } from './runner.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} } as unknown as Log;

function step(key: string, kind: 'create_vm' | 'start_vm' = 'create_vm'): Step {
  return { kind, key, reason: 'r', data: { vm: key } };
}

/** A runner on a virtual clock; `wanted` is what each pass plans. */
function setup(execute: (step: Step) => Promise<'waits' | undefined>, wanted: Step[] = [step('vm:a')]) {
  const clock = createVirtualClock(0);
  const seen = { passes: 0, steps: wanted, worldFails: false };
  const runner = createRunner({
    world: async () => {
      seen.passes++;
      if (seen.worldFails) throw new Error('no disk');
      return aWorld();
    },
    plan: () => ({ steps: seen.steps, waits: [] }),
    execute,
    clock,
    log: quiet,
    pauseMs: () => 10_000,
  });
  async function until(ms: number): Promise<void> {
    let isOver = false;
    void clock.sleep(ms - clock.now()).then(() => {
      isOver = true;
    });
    // What a nudge woke must have set its timer before time moves.
    await new Promise((resolve) => setImmediate(resolve));
    while (!isOver) await clock.step();
  }
  return { clock, runner, seen, until };
}

describe('the runner', () => {
  it('never runs two steps with one key at once', async () => {
    const running: string[] = [];
    const { runner, until } = setup(
      (each) => {
        running.push(each.kind);
        return new Promise(() => {});
      },
      [step('vm:a'), step('vm:a', 'start_vm'), step('vm:b')],
    );
    runner.start();
    await until(60_000);
    expect(running).toEqual(['create_vm', 'create_vm']);
    expect(runner.underWay().map((each) => each.step.key)).toEqual(['vm:a', 'vm:b']);
  });

  it('tries a failing step again, later each time, and tells of it', async () => {
    const at: number[] = [];
    const { clock, runner, seen, until } = setup(async () => {
      at.push(clock.now());
      throw new Error('boom');
    });
    runner.start();
    await until(130_000);
    const gaps = at.slice(1).map((time, i) => time - (at[i] ?? 0));
    expect(at.length).toBeLessThan(12);
    expect(gaps.at(-1)).toBeGreaterThan(30_000);
    expect(runner.failures()).toMatchObject([{ message: 'boom', count: at.length }]);
    seen.steps = [];
    await until(160_000);
    expect(runner.failures()).toEqual([]);
  });

  it('looks again at once when a step ends with news, and not when it only waited', async () => {
    const news = setup(async () => undefined);
    news.runner.start();
    await news.until(9_000);
    expect(news.seen.passes).toBeGreaterThan(100);
    const waits = setup(async () => 'waits');
    waits.runner.start();
    await waits.until(9_000);
    expect(waits.seen.passes).toBe(1);
    waits.runner.nudge();
    await waits.until(9_500);
    expect(waits.seen.passes).toBe(2);
  });

  it('goes on after a pass that failed', async () => {
    const { runner, seen, until } = setup(async () => 'waits');
    seen.worldFails = true;
    runner.start();
    await until(5_000);
    expect(seen.passes).toBeGreaterThan(3);
    expect(runner.passFailure()).toMatchObject({ message: 'no disk', since: 15 });
    seen.worldFails = false;
    await until(8_000);
    expect(runner.passFailure()).toBe(null);
    expect(runner.lastPass()?.plan.steps).toHaveLength(1);
  });

  it('stops: waits for what is under way, but not for ever', async () => {
    const { runner, seen, until } = setup(() => new Promise(() => {}));
    runner.start();
    await until(1_000);
    const { passes } = seen;
    let isStopped = false;
    void runner.stop(5_000).then(() => {
      isStopped = true;
    });
    await until(5_000);
    expect(isStopped).toBe(false);
    await until(7_000);
    expect(isStopped).toBe(true);
    expect(seen.passes).toBe(passes);
  });
});
