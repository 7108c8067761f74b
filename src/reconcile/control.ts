import type { ExecuteDeps } from './execute/deps.ts';
import { execute } from './execute/execute.ts';
import { settle } from './execute/settle.ts';
import { createObserver } from './observe/observe.ts';
import { readWorld } from './observe/rows.ts';
import { plan } from './plan/plan.ts';
import type { Plan } from './plan/step.ts';
import type { Observed, World } from './plan/world.ts';
import { createRunner, type Runner } from './runner.ts';

export interface Control {
  runner: Runner;
  /** A fresh look, for `plan` and `why`: observes, and changes nothing. */
  look(): Promise<{ world: World; plan: Plan }>;
}

export interface ControlDeps extends ExecuteDeps {
  capacity: () => number;
  accel: () => Observed['accel'];
}

const busyPauseMs = 1_000;
const idlePauseMs = 10_000;

/** The control plane over its ports: the same for the daemon and for the simulation. */
export function createControl(deps: ControlDeps): Control {
  const observer = createObserver(deps);
  async function world(): Promise<World> {
    const observed = await observer.observe();
    return readWorld(deps.store, { now: deps.clock.now(), config: deps.config(), capacity: deps.capacity(), observed });
  }
  const runner = createRunner({
    world: async () => {
      if (hasOpenIterations(deps)) await settle(deps);
      return world();
    },
    plan,
    execute: (step) => execute(deps, step),
    clock: deps.clock,
    log: deps.log,
    pauseMs: (last) => (isBusy(deps, last) ? busyPauseMs : idlePauseMs),
  });
  return {
    runner,
    async look() {
      const seen = await world();
      return { world: seen, plan: plan(seen) };
    },
  };
}

function hasOpenIterations({ store }: ControlDeps): boolean {
  return store.iterations.list("WHERE phase <> 'ended' LIMIT 1").length > 0;
}

/** Something is under way that only a look can tell the end of. */
function isBusy(deps: ControlDeps, last: Plan): boolean {
  if (last.steps.length > 0 || hasOpenIterations(deps)) return true;
  const { store } = deps;
  if (store.checkRuns.list("WHERE phase = 'running' LIMIT 1").length > 0) return true;
  return store.disks.list("WHERE phase = 'building' LIMIT 1").length > 0;
}
