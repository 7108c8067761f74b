import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { asFleetError, isAbort } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Plan, Step, StepKind } from './plan/step.ts';
import type { World } from './plan/world.ts';

/**
 * Runs passes: observe, plan, launch. A pass takes no input; a timer and nudges use the same path. It does not wait for the
 * steps it launches: each runs on by itself, no two with the same key at once, and its end nudges the next pass. A step that
 * fails is tried again by a later plan, with backoff.
 */
export interface Runner {
  /** One pass; resolves when its steps are launched (not ended). */
  pass(): Promise<void>;
  /** Passes until `stop`. */
  start(): void;
  nudge(): void;
  /** No new passes or steps; waits for those under way, at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
  lastPass(): { plan: Plan; world: World; at: number } | null;
  /** Steps under way and since when, and those that failed, for `status` and `why`. */
  underWay(): { step: Step; since: number }[];
  failures(): { step: Step; message: string; remedy: string | null; count: number; since: number }[];
  /** Why the newest passes failed as a whole, and since when; null while they work. */
  passFailure(): { message: string; remedy: string | null; since: number } | null;
}

export interface RunnerDeps {
  world: () => Promise<World>;
  plan: (world: World) => Plan;
  /** 'waits' when it found nothing to change yet. */
  // biome-ignore lint/suspicious/noConfusingVoidType: most executors simply return
  execute: (step: Step) => Promise<'waits' | void>;
  clock: Clock;
  log: Log;
  /** Milliseconds until the next pass when nothing nudges, given the last one. */
  pauseMs: (plan: Plan, world: World) => number;
  /** Is told how passes and steps go; changes nothing. */
  watch?: RunnerWatch | undefined;
}

export interface RunnerWatch {
  /** Milliseconds with fractions, of a clock that only goes forward. */
  now(): number;
  pass(result: 'ok' | 'failed'): void;
  stage(stage: 'observe' | 'plan', ms: number): void;
  step(kind: StepKind, result: StepResult, ms: number): void;
}

export type StepResult = 'done' | 'waits' | 'failed';

interface Failure {
  step: Step;
  count: number;
  until: number;
  since: number;
  message: string;
  remedy: string | null;
}

const firstBackoffMs = 1_000;
const maxBackoffMs = 60_000;
const settleMs = 15;
const failedPassPauseMs = 1_000;
const unwatched: RunnerWatch = { now: () => 0, pass: () => {}, stage: () => {}, step: () => {} };

export function createRunner(deps: RunnerDeps): Runner {
  const { clock, log, watch = unwatched } = deps;
  const running = new Map<string, { step: Step; since: number; done: Promise<void> }>();
  const failed = new Map<string, Failure>();
  let last: { plan: Plan; world: World; at: number } | null = null;
  let passFailed: { message: string; remedy: string | null; since: number } | null = null;
  let stopped = false;
  let wake: (() => void) | null = null;
  let nudged = false;

  function nudge(): void {
    nudged = true;
    wake?.();
  }

  async function run(step: Step): Promise<void> {
    const id = `${step.key} ${step.kind}`;
    let isNews = true;
    const began = watch.now();
    const end = (result: StepResult) => watch.step(step.kind, result, watch.now() - began);
    try {
      isNews = (await deps.execute(step)) !== 'waits';
      failed.delete(id);
      end(isNews ? 'done' : 'waits');
    } catch (error) {
      isNews = false;
      if (isAbort(error)) return;
      const before = failed.get(id);
      const count = (before?.count ?? 0) + 1;
      const { message, remedy = null } = asFleetError(error);
      const until = clock.now() + backoffMs(count, firstBackoffMs, maxBackoffMs);
      failed.set(id, { step, count, until, since: before?.since ?? clock.now(), message, remedy });
      end('failed');
      log.warn({ step: step.kind, key: step.key, count, err: error }, 'a step failed');
    } finally {
      running.delete(step.key);
      if (isNews) nudge();
    }
  }

  function launch(step: Step): void {
    if (running.has(step.key)) return;
    const failure = failed.size === 0 ? undefined : failed.get(`${step.key} ${step.kind}`);
    if (failure !== undefined && clock.now() < failure.until) return;
    log.debug({ step: step.kind, key: step.key, reason: step.reason }, 'step');
    const entry = { step, since: clock.now(), done: Promise.resolve() };
    running.set(step.key, entry);
    entry.done = run(step);
  }

  function forgetUnplanned(plan: Plan): void {
    if (failed.size === 0) return;
    const planned = new Set(plan.steps.map((step) => `${step.key} ${step.kind}`));
    for (const id of failed.keys()) if (!planned.has(id)) failed.delete(id);
  }

  async function pass(): Promise<void> {
    const began = watch.now();
    const world = await deps.world();
    if (stopped) return;
    const seen = watch.now();
    const plan = deps.plan(world);
    watch.stage('observe', seen - began);
    watch.stage('plan', watch.now() - seen);
    last = { plan, world, at: clock.now() };
    forgetUnplanned(plan);
    for (const step of plan.steps) launch(step);
  }

  async function loop(): Promise<void> {
    while (!stopped) {
      // What ends at about the same time is looked at together.
      await clock.sleep(settleMs);
      nudged = false;
      let pauseMs = failedPassPauseMs;
      try {
        await pass();
        if (last !== null) pauseMs = deps.pauseMs(last.plan, last.world);
        passFailed = null;
        watch.pass('ok');
      } catch (error) {
        const { message, remedy = null } = asFleetError(error);
        passFailed = { message, remedy, since: passFailed?.since ?? clock.now() };
        watch.pass('failed');
        log.error({ err: error }, 'a pass failed');
      }
      if (stopped) return;
      await pauseUntilNudged(pauseMs);
    }
  }

  async function pauseUntilNudged(ms: number): Promise<void> {
    if (nudged) return;
    let callOff = () => {};
    await new Promise<void>((resolve) => {
      wake = resolve;
      callOff = clock.after(ms, resolve);
    });
    wake = null;
    callOff();
  }

  return {
    pass,
    nudge,
    start: () => void loop(),
    async stop(graceMs) {
      stopped = true;
      nudge();
      const all = Promise.allSettled([...running.values()].map((entry) => entry.done));
      let callOff = () => {};
      const late = new Promise<void>((resolve) => {
        callOff = clock.after(graceMs, resolve);
      });
      await Promise.race([all, late]);
      callOff();
    },
    lastPass: () => last,
    underWay: () => [...running.values()].map(({ step, since }) => ({ step, since })),
    failures: () =>
      [...failed.values()].map(({ step, message, remedy, count, since }) => ({ step, message, remedy, count, since })),
    passFailure: () => passFailed,
  };
}
