import { isInUse, type Snapshot, snapshotName, snapshotsToDrop } from '../domain/snapshot.ts';
import { isEnded, isWorking, type Task } from '../domain/task.ts';
import type { Driver } from '../drivers/driver.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';
import type { Found, Sweep } from './sweep.ts';

export interface SnapshotDeps {
  store: Store;
  clock: Clock;
  driver: Pick<Driver, 'space'>;
  /** How long history is kept. */
  keepMs: () => number;
  /** How many of a task's are kept beside the last good one. */
  keep: () => number;
}

/**
 * The fleet's own snapshots of tasks that nothing was done for so long, all but the last good one of each (or the newest while none is
 * good). What passes let go of by themselves (of tasks that ended, older than the kept ones) is not listed.
 */
export function createSnapshotSweep(deps: SnapshotDeps): Sweep {
  const { store, clock, driver } = deps;
  const isGood = (iteration: string) =>
    store.checkRuns.list("WHERE iteration = ? AND kind = 'loop' AND phase = 'passed' LIMIT 1", iteration).length > 0;

  function expendable(task: Task): Snapshot[] {
    const rests = (task.phase === 'failed' || !isEnded(task.phase)) && !isWorking(task.phase);
    if (!rests || clock.now() - task.since <= deps.keepMs()) return [];
    const { tasks, vms, snapshots } = store.alive;
    const users = { vms: vms.rows(), tasks: tasks.rows() };
    const own = snapshots.rows().filter((one) => one.task === task.id);
    return snapshotsToDrop(own, { keep: deps.keep(), isGood, sparing: true }).filter((one) => !isInUse(one, users));
  }

  function remove(id: string): void {
    const snapshot = store.snapshots.get(id);
    const task = snapshot?.task == null ? null : store.tasks.get(snapshot.task);
    if (task === null || !expendable(task).some((one) => one.id === id)) return;
    store.snapshots.update(id, { phase: 'leaving', since: clock.now() });
  }

  return async () => {
    const ids = new Set(store.alive.snapshots.rows().map(({ task }) => task));
    const found: Found[] = [];
    const { snapshots: sizes } = ids.size === 0 ? { snapshots: new Map() } : await driver.space();
    for (const id of ids) {
      const task = id === null ? null : store.tasks.get(id);
      for (const one of task === null ? [] : expendable(task)) {
        const days = Math.floor((clock.now() - (task?.since ?? 0)) / 86_400_000);
        found.push({
          kind: 'snapshot',
          name: snapshotName(one.id),
          why: `${id} is ${task?.phase} since ${days} days; its last good one stays`,
          sizeBytes: sizes.get(one.id) ?? one.bytes ?? 0,
          // The next passes remove its file.
          remove: async () => remove(one.id),
        });
      }
    }
    return found;
  };
}
