import { sayMiB } from '../../domain/host.ts';
import { vmName } from '../../domain/vm.ts';
import { current } from './current.ts';
import type { ExecuteDeps, Executor } from './deps.ts';

/** The VM first: a disk that is full may not take the row any more, and a VM that is paused without one is known as that too. */
export const holdVm: Executor<'hold_vm'> = async (deps, { vm: id, why }) => {
  const { store, driver } = deps;
  if (current(deps, id, ['ready', 'paused']) === null) return;
  await driver.pause(id);
  if (current(deps, id, ['ready']) === null) return 'waits';
  store.tx(() => {
    store.moveVm(id, 'paused');
    store.events.add('vm.held', vmName(id), `${vmName(id)} is frozen: ${why}`);
  });
};

/** The time it was frozen for is not its iterations'. */
export function thawed(deps: Pick<ExecuteDeps, 'store' | 'clock'>, id: string): void {
  const { store, clock } = deps;
  store.tx(() => {
    const vm = current(deps, id, ['paused']);
    if (vm === null) return;
    const now = clock.now();
    for (const it of store.alive.iterations.rows()) {
      if (it.vm !== id || it.phase === 'ended') continue;
      const startedAt = it.phase === 'started' ? now : it.startedAt;
      store.iterations.update(it.id, { deadline: it.deadline + now - vm.since, startedAt });
    }
    store.moveVm(id, 'ready');
    store.events.add('vm.thawed', vmName(id), `${vmName(id)} goes on: there is room again`);
  });
}

/** Nothing is stored before: there may be no room for it. */
export const freeBallast: Executor<'free_ballast'> = async ({ ballast, store, log }) => {
  await ballast.free();
  log.warn('the ballast is freed: the disk of the state folder fills');
  store.events.add('ballast.freed', 'host', 'The disk fills: the ballast is freed, so that work can be saved.');
};

export const makeBallast: Executor<'make_ballast'> = async ({ ballast, store }, { mib }) => {
  await ballast.make(mib);
  store.events.add(
    'ballast.made',
    'host',
    `${sayMiB(mib)} of the disk are kept as ballast, to save work when it is full.`,
  );
};
