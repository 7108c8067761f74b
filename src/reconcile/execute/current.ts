import type { Vm } from '../../domain/vm.ts';
import type { ExecuteDeps } from './deps.ts';

/** The row, if it is still in one of these phases. */
export function current(deps: Pick<ExecuteDeps, 'store'>, id: string, phases: readonly Vm['phase'][]): Vm | null {
  const vm = deps.store.vms.get(id);
  return vm !== null && phases.includes(vm.phase) ? vm : null;
}
