import { fleetNode } from '../domain/budget.ts';
import type { HostLook } from '../domain/host.ts';
import type { Iteration } from '../domain/iteration.ts';
import { isReplayOpen } from '../domain/replay.ts';
import type { UsageWindow } from '../domain/usage-limit.ts';
import type { BudgetLevel } from '../loop/ports.ts';
import { createBudgetTeller } from './execute/budget.ts';
import type { ExecuteDeps } from './execute/deps.ts';
import { execute } from './execute/execute.ts';
import { settle } from './execute/settle.ts';
import { afterSleep } from './execute/slept.ts';
import { createObserver } from './observe/observe.ts';
import { createRowsReader } from './observe/rows.ts';
import { createSleepWatch } from './observe/sleep.ts';
import { plan } from './plan/plan.ts';
import type { Plan, Step } from './plan/step.ts';
import type { Observed, World } from './plan/world.ts';
import { createRunner, type Runner, type RunnerWatch } from './runner.ts';

export interface Control {
  runner: Runner;
  /** A fresh look, for `plan` and `why`: observes, and changes nothing. */
  look(): Promise<{ world: World; plan: Plan }>;
  /** The fleet's own budget, as the gateway last told. */
  fleetLevel(): BudgetLevel | null;
  /** Usage windows, as the gateway last told. */
  usageWindows(): readonly UsageWindow[];
}

export interface ControlDeps extends ExecuteDeps {
  capacity: () => number;
  accel: () => Observed['accel'];
  /** A look at memory and disks of the host. */
  host: () => Promise<HostLook>;
  /** How long to wait for the next look when nothing nudges: with something under way, and without. */
  pause: { busyMs: number; idleMs: number };
  /** The planner; the simulation hands in broken ones to prove that it would notice. */
  planner?: (world: World) => Plan;
  /** Round every step; for tests that end the process at a named one. */
  around?: <End>(step: Step, run: () => Promise<End>) => Promise<End>;
  watch?: RunnerWatch;
}

/** The control plane over its ports: the same for the daemon and for the simulation. */
export function createControl(deps: ControlDeps): Control {
  const rows = createRowsReader(deps.store);
  const planner = deps.planner ?? plan;
  const observer = createObserver(deps);
  const sleptFor = createSleepWatch();
  // What no row could say yet: the disk may be full.
  let owedMs = 0;
  function noteSleep(): void {
    const ms = sleptFor(deps.clock.now());
    observer.slept(ms);
    owedMs += ms;
    if (owedMs === 0) return;
    try {
      afterSleep(deps, owedMs);
      owedMs = 0;
    } catch (error) {
      deps.log.warn({ err: error }, 'that the host slept could not be noted down yet');
    }
  }
  async function world(): Promise<World> {
    noteSleep();
    const observed = await observer.observe();
    const of = rows();
    const now = deps.clock.now();
    return {
      ...of,
      providers: providersOf(deps, of.tasks),
      now,
      config: deps.config(),
      capacity: deps.capacity(),
      observed,
    };
  }
  // Once more after the last iteration has ended, and after a start: what was spent meanwhile must not wait for the next one.
  let isSettled = false;
  let isTold = false;
  let fleetLevel: BudgetLevel | null = null;
  let windows: readonly UsageWindow[] = [];
  const tellBudgets = createBudgetTeller(deps);
  function hasNews(): boolean {
    const iterations = deps.store.alive.iterations.rows();
    if (deps.store.alive.limits.rows().length > 0) return true;
    return iterations.length > 0 && (!isSettled || iterations.some(isOpen));
  }
  async function settleNews(): Promise<void> {
    const isOpenNow = deps.store.alive.iterations.rows().some(isOpen);
    try {
      await tellBudgets();
      windows = await settle(deps);
      [fleetLevel = null] = await deps.gateway.levels([fleetNode]);
      isSettled = !isOpenNow;
      isTold = false;
    } catch (error) {
      isSettled = false;
      if (!isTold) deps.log.warn({ err: error }, 'what was spent is not known yet');
      isTold = true;
    }
  }
  const runner: Runner = createRunner({
    world: async () => {
      if (hasNews()) await settleNews();
      return await world();
    },
    plan: planner,
    execute: (step) => (deps.around ? deps.around(step, () => execute(deps, step)) : execute(deps, step)),
    clock: deps.clock,
    log: deps.log,
    watch: deps.watch,
    pauseMs: (last, seen) => (isBusy(seen, last) ? deps.pause.busyMs : deps.pause.idleMs),
  });
  return {
    runner,
    async look() {
      const seen = await world();
      return { world: seen, plan: planner(seen) };
    },
    fleetLevel: () => fleetLevel,
    usageWindows: () => windows.filter(({ until }) => until > deps.clock.now()),
  };
}

function providersOf({ agent }: Pick<ControlDeps, 'agent'>, tasks: World['tasks']): World['providers'] {
  return new Map([...new Set(tasks.map((task) => task.agent))].map((name) => [name, agent(name).provider]));
}

function isOpen(iteration: Iteration): boolean {
  return iteration.phase !== 'ended';
}

/** Something is under way that only a look can tell the end of. */
function isBusy(world: World, last: Plan): boolean {
  if (last.steps.length > 0 || world.iterations.some(isOpen)) return true;
  if (world.replays.some(isReplayOpen)) return true;
  return (
    world.checkRuns.some((run) => run.phase === 'running') || world.disks.some((disk) => disk.phase === 'building')
  );
}
