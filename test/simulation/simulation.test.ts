import { describe, expect, it } from 'vitest';
import { plan } from '../../src/reconcile/plan/plan.ts';
import type { Plan, Step } from '../../src/reconcile/plan/step.ts';
import type { World } from '../../src/reconcile/plan/world.ts';
import { replayCommand, simulateMany } from './pool.ts';
import { simulate } from './simulate.ts';

const schedules = Number(process.env['SIM_SEEDS'] ?? 2000);

describe('the control plane', () => {
  it(`keeps its promises in ${schedules} schedules of faults, crashes and people`, async () => {
    const { schedules: played, failed } = await simulateMany('fleet', { from: 1, count: schedules, threads: 2 });
    const told =
      failed === null ? '' : `${failed.violations.slice(0, 5).join('\n')}\n${replayCommand('fleet', failed.seed)}`;
    expect(told).toBe('');
    expect(played).toBe(schedules);
  });

  it('does the same again with the same seed', async () => {
    for (const seed of [3, 17, 40]) {
      const once = await simulate(seed, { withTrace: true });
      expect(once.trace.length).toBeGreaterThan(50);
      expect(await simulate(seed, { withTrace: true })).toEqual(once);
    }
  });
});

/** The first violation that a planner like this runs into. */
async function firstViolation(planner: (world: World) => Plan): Promise<string> {
  for (let seed = 1; seed <= 60; seed++) {
    const [violation] = (await simulate(seed, { planner })).violations;
    if (violation !== undefined) return violation;
  }
  return 'none was found';
}

/** The real planner with some of its steps bent, or left out. */
function bent(bend: (step: Step, world: World) => Step | null): (world: World) => Plan {
  return (world) => {
    const { steps, waits } = plan(world);
    return { steps: steps.flatMap((step) => bend(step, world) ?? []), waits };
  };
}

describe('the simulation notices', () => {
  it('work that is not saved when an iteration ends', async () => {
    const told = await firstViolation(
      bent((step) => (step.kind === 'end_iteration' ? { ...step, data: { ...step.data, vmLost: true } } : step)),
    );
    expect(told).toMatch(/work was lost: VM .* was removed/);
  });

  it('an undefined VM that is given up with work on its disk', async () => {
    const told = await firstViolation(
      bent((step) =>
        step.kind === 'redefine_vm' ? { ...step, kind: 'fail_vm', data: { ...step.data, reason: 'undefined' } } : step,
      ),
    );
    expect(told).toMatch(/work was lost: VM .* was removed/);
  });

  it('a verification in a VM that an agent has touched', async () => {
    const told = await firstViolation(
      bent((step, world) => {
        if (step.kind !== 'start_checks' || step.data.kind !== 'verify') return step;
        const touched = world.vms.find((vm) => vm.touched && vm.phase === 'ready');
        return touched === undefined ? step : { ...step, data: { ...step.data, vm: touched.id } };
      }),
    );
    expect(told).toMatch(/was verified in a VM an agent had touched/);
  });

  it('a VM that is never given back', async () => {
    const told = await firstViolation(bent((step) => (step.kind === 'release_vm' ? null : step)));
    expect(told).toMatch(/came? to rest|never end|was left/);
  });

  it('a limited task that is never resumed', async () => {
    const told = await firstViolation(
      bent((step) => (step.kind === 'move_task' && step.data.from === 'rate_limited' ? null : step)),
    );
    expect(told).toMatch(/never came to rest/);
  });

  it('an agent that is silent and never stopped', async () => {
    const told = await firstViolation((world) => plan({ ...world, observed: { ...world.observed, quiet: new Map() } }));
    expect(told).toMatch(/went on in silence/);
  });

  it('a VM that is kept while its task waits for an answer', async () => {
    const told = await firstViolation(
      bent((step, world) => {
        if (step.kind !== 'release_vm') return step;
        const vm = world.vms.find(({ id }) => id === step.data.vm);
        return world.tasks.some(({ id, phase }) => id === vm?.task && phase === 'needs_input') ? null : step;
      }),
    );
    expect(told).toMatch(/the VM of T\d, which waits for its person, was not given back/);
  });

  it('a replay that leaves something behind', async () => {
    const told = await firstViolation(bent((step) => (step.kind === 'tidy_replay' ? null : step)));
    expect(told).toMatch(/never came to rest|was left/);
  });

  it('a change that skips the verification', async () => {
    const told = await firstViolation(
      bent((step) => {
        if (step.kind !== 'start_checks' || step.data.kind !== 'verify') return step;
        const data = { task: step.data.task, from: 'verifying', to: 'awaiting_approval', reason: null } as const;
        return { ...step, kind: 'move_task', data };
      }),
    );
    expect(told).toMatch(/without passing as-committed/);
  });

  it('a VM that is frozen and never thawed', async () => {
    const told = await firstViolation(
      bent((step, world) => {
        const isFrozen =
          step.kind === 'resume_vm' && world.vms.some((vm) => vm.id === step.data.vm && vm.phase === 'paused');
        return isFrozen ? null : step;
      }),
    );
    expect(told).toMatch(/never came to rest/);
  });

  it('a ballast that is not made again', async () => {
    const told = await firstViolation(bent((step) => (step.kind === 'make_ballast' ? null : step)));
    expect(told).toMatch(/the ballast was not made again/);
  });

  it('a VM that runs on while the disk fills', async () => {
    const told = await firstViolation(bent((step) => (step.kind === 'hold_vm' ? null : step)));
    expect(told).toMatch(/ran on for an hour with the disk full/);
  });

  it('a VM too many', async () => {
    const told = await firstViolation((world) => plan({ ...world, capacity: world.capacity + 3 }));
    expect(told).toMatch(/VMs run where \d fit/);
  });

  it('steps that never end', async () => {
    const again: Step = { kind: 'sync_ralphs', key: 'ralphs', reason: 'always', data: {} };
    const told = await firstViolation((world) => {
      const { steps, waits } = plan(world);
      return { steps: world.tasks.length === 0 ? [...steps, again] : steps, waits };
    });
    expect(told).toBe('the fleet never came to rest');
  });
});
