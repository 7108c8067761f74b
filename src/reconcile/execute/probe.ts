import { findTwin, type ReadinessStage, stagesOf, type Vm } from '../../domain/vm.ts';
import { FleetError, isFleetError } from '../../lib/errors.ts';
import { addressOf } from './address.ts';
import { current } from './current.ts';
import type { ExecuteDeps, Executor } from './deps.ts';
import { forkFailed, forkSucceeded, identifyFork } from './fork.ts';

/** Walks through the readiness stages as far as they pass now; the next pass goes on. Each stage passed is stored. */
export const probeVm: Executor<'probe_vm'> = async (deps, { vm: id }) => {
  for (;;) {
    const vm = current(deps, id, ['identifying']);
    if (vm === null) return;
    const stage = vm.stage ?? 'process';
    const passed = await tryStage(deps, vm, stage);
    if (!passed) return 'waits';
    if (current(deps, id, ['identifying']) === null) return;
    const order = stagesOf(vm);
    const next = order[order.indexOf(stage) + 1];
    if (next === undefined) {
      // A person's VM that went down is started each time; the failure of a fleet's tells that it was, once.
      deps.store.moveVm(id, 'ready', { stage: null, ...(vm.purpose === 'clone' ? { failure: null } : {}) });
      forkSucceeded(deps, vm);
      return;
    }
    deps.store.vms.update(id, { stage: next, stageSince: deps.clock.now() });
  }
};

async function tryStage(deps: ExecuteDeps, vm: Vm, stage: ReadinessStage): Promise<boolean> {
  try {
    return await stages[stage](deps, vm);
  } catch (error) {
    if (isFleetError(error, 'guest_unreachable') || isFleetError(error, 'guest_timed_out')) return false;
    if (forkFailed(deps, vm, error)) return false;
    throw error;
  }
}

const stages: Record<ReadinessStage, (deps: ExecuteDeps, vm: Vm) => Promise<boolean>> = {
  process: async ({ driver }, vm) =>
    (await driver.list()).some((seen) => seen.id === vm.id && seen.state === 'running'),
  'guest-agent': ({ driver }, vm) => driver.agentAnswers(vm.id),
  'host-key': async ({ driver, store }, vm) => {
    const hostKey = await driver.hostKey(vm.id);
    if (hostKey === null) return false;
    refuseTwin(store, vm, { hostKey });
    store.vms.update(vm.id, { hostKey });
    return true;
  },
  'ssh-login': async (deps, vm) => {
    await deps.guests.ping(addressOf(deps, vm));
    return true;
  },
  identity: async (deps, vm) => {
    if (vm.way === 'fork') return identifyFork(deps, vm);
    const identity = { hostname: `rf-${vm.id}`, now: deps.clock.now() };
    const { machineId } = await deps.guests.identify(addressOf(deps, vm), identity);
    refuseTwin(deps.store, vm, { machineId });
    deps.store.vms.update(vm.id, { identity: { machineId, random: null } });
    return true;
  },
  tools: async (deps, vm) => {
    const report = await deps.guests.verify(addressOf(deps, vm));
    if (report.ok) return true;
    throw new FleetError(
      'image_failed',
      `The image breaks the guest contract in \`rf-${vm.id}\`: ${report.problems.join('; ')}`,
    );
  },
};

function refuseTwin({ alive }: ExecuteDeps['store'], vm: Vm, own: { hostKey: string } | { machineId: string }): void {
  const twin = findTwin(vm.id, own, alive.vms.rows());
  if (twin !== null) throw new FleetError('guest_untrusted', `VM \`rf-${vm.id}\` has ${twin}.`);
}
