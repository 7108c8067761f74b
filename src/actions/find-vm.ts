import type { Snapshot } from '../domain/snapshot.ts';
import type { Task } from '../domain/task.ts';
import { type Vm, vmName } from '../domain/vm.ts';
import { FleetError } from '../lib/errors.ts';
import type { ActionDeps } from './deps.ts';

/** What a person means by a word: a VM (`rf-1a2b3c4d`, or the start of its id), the Ralph in it, or the task it works on. */
export interface Subject {
  vm: Vm | null;
  task: Task | null;
}

/** Throws `not_found` where nothing goes by that word, `usage` where several do. */
export function findSubject({ store }: Pick<ActionDeps, 'store'>, typed: string): Subject {
  const word = typed.trim();
  const id = /^\d+$/.test(word) ? `T${word}` : word.toUpperCase();
  const task = store.tasks.get(id);
  const vms = store.alive.vms.rows();
  const own = (of: string) => vms.find((vm) => vm.task === of && vm.purpose === 'implementer') ?? null;
  if (task !== null) return { vm: own(task.id), task };
  const of = (vm: Vm | null) => ({ vm, task: vm?.task == null ? null : store.tasks.get(vm.task) });
  const ralph = store.ralphs.get(word);
  if (ralph !== null) {
    const vm = vms.find((each) => each.id === ralph.vm) ?? null;
    return { vm, task: ralph.task === null ? null : store.tasks.get(ralph.task) };
  }
  const begun = word.toLowerCase().replace(/^rf-/, '');
  const found = /^[0-9a-f]{2,8}$/.test(begun) ? vms.filter((vm) => vm.id.startsWith(begun)) : [];
  const [vm] = found;
  if (vm !== undefined && found.length === 1) return of(vm);
  const names = (found.length > 1 ? found : vms).slice(0, 5).map((each) => `\`${vmName(each.id)}\``);
  const said = word.slice(0, 60);
  throw new FleetError(
    found.length > 1 ? 'usage' : 'not_found',
    found.length > 1 ? `Several VMs begin with \`${said}\`.` : `There is no VM, Ralph or task \`${said}\`.`,
    { remedy: `${names.length === 0 ? '' : `There are ${names.join(', ')}.   `}ralph-fleet vm list` },
  );
}

/** The VM that is meant, or why there is none. */
export function findVm(deps: Pick<ActionDeps, 'store'>, typed: string): Vm {
  const { vm, task } = findSubject(deps, typed);
  if (vm !== null) return vm;
  throw new FleetError('vm_not_ready', `\`${typed.trim().slice(0, 60)}\` has no VM now.`, {
    remedy: task === null ? 'ralph-fleet vm list' : `ralph-fleet vm show ${task.id}     (its snapshots, if any)`,
  });
}

/** By `s-<id>`; null for a word that names none. */
export function findSnapshot({ store }: Pick<ActionDeps, 'store'>, typed: string): Snapshot | null {
  const [, id] = /^s-([0-9a-f]{8})$/.exec(typed.trim().toLowerCase()) ?? [];
  if (id === undefined) return null;
  const found = store.snapshots.get(id);
  if (found !== null) return found;
  throw new FleetError('not_found', `There is no snapshot \`s-${id}\`.`, { remedy: 'ralph-fleet vm show TASK' });
}
