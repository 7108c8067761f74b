import { isEnded, type Task } from './task.ts';
import { type Vm, type VmSize, vmName } from './vm.ts';

/**
 * The disk of a VM as it was at one moment, tied to the change's commit and the iteration: a file of its own on the host, which the VM
 * need not outlive. wanted -> ready | failed -> leaving; a row goes last, after its file.
 */
export interface Snapshot {
  /** 8 hexadecimal digits, never reused; people call it `s-<id>`. */
  id: string;
  /** The VM it is taken of. */
  vm: string;
  project: string | null;
  task: string | null;
  /** `iteration`: by the fleet, after one; `person`: asked for; `clone`: for the VM that is to be made of it, and gone after that. */
  why: 'iteration' | 'person' | 'clone';
  /** The iteration it was taken after, or in, and its number; null where there was none. */
  iteration: string | null;
  n: number | null;
  /** What the change was at that moment; null before work was saved. */
  commit: string | null;
  /** Key of the disk its VM started from. */
  disk: string;
  size: VmSize;
  phase: 'wanted' | 'ready' | 'failed' | 'leaving';
  failure: string | null;
  /** What it takes on the host; null until taken. */
  bytes: number | null;
  /** Since when it is in its phase. */
  since: number;
}

export function snapshotName(id: string): string {
  return `s-${id}`;
}

/** Somebody is about to start from it: a VM that has no disk yet, or the next VM of a task that was put back to it. */
export function isInUse(
  { id }: Pick<Snapshot, 'id'>,
  { vms, tasks }: { vms: readonly Vm[]; tasks: readonly Pick<Task, 'phase' | 'rewind'>[] },
): boolean {
  const hasNoDisk = (vm: Vm) => vm.phase === 'wanted' || vm.phase === 'preparing';
  if (vms.some((vm) => vm.origin?.snapshot === id && vm.desired !== 'gone' && hasNoDisk(vm))) return true;
  return tasks.some((task) => task.rewind?.snapshot === id && !isEnded(task.phase));
}

/**
 * Which of one task's snapshots policy lets go of, and why. The fleet's own: all but the last `keep` and the last good one, which is the
 * newest after an iteration whose checks passed (`isGood`). Where room is what counts (`sparing`), the last good one alone, or the newest
 * while none is good. What a person asked for stays as long as the task. One that failed tells only that there was a try.
 */
export function snapshotsToDrop(
  snapshots: readonly Snapshot[],
  { keep, isGood, sparing = false }: { keep: number; isGood: (iteration: string) => boolean; sparing?: boolean },
): Snapshot[] {
  const own = snapshots.filter(({ why }) => why === 'iteration').toSorted((a, b) => (b.n ?? 0) - (a.n ?? 0));
  const [newest] = own;
  const taken = own.filter(({ phase }) => phase === 'ready');
  const good = taken.find(({ iteration }) => iteration !== null && isGood(iteration));
  const last = taken.slice(0, sparing ? Math.min(keep, good === undefined ? 1 : 0) : keep);
  return own.filter((one) => {
    if (one.phase === 'wanted' || one.phase === 'leaving') return false;
    if (one.phase === 'failed') return one !== newest;
    return !last.includes(one) && one !== good;
  });
}

/** For people: `rf-00c0ffee at iteration 4 of T2`. */
export function sayOrigin({ vm, task, n }: { vm: string; task: string | null; n: number | null }): string {
  const when = n === null ? '' : ` at iteration ${n}`;
  return `${vmName(vm)}${when}${task === null ? '' : ` of ${task}`}`;
}
