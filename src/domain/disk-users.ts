import type { Disk } from './disk.ts';
import { isReplayOpen, type Replay } from './replay.ts';
import { type Snapshot, snapshotName } from './snapshot.ts';
import { isEnded, type Task } from './task.ts';
import { type Vm, vmName } from './vm.ts';

/** Who stands on it: tasks that have not ended, VMs, snapshots of VMs, replays. */
export function usersOf(
  { key }: Pick<Disk, 'key'>,
  alive: {
    tasks: { rows(): readonly Pick<Task, 'id' | 'disk' | 'phase'>[] };
    vms: { rows(): readonly Pick<Vm, 'id' | 'disk' | 'prepares'>[] };
    snapshots: { rows(): readonly Pick<Snapshot, 'id' | 'disk'>[] };
    replays: { rows(): readonly Pick<Replay, 'id' | 'disk' | 'phase'>[] };
  },
): string[] {
  return [
    ...alive.tasks.rows().filter((task) => task.disk === key && !isEnded(task.phase)),
    ...alive.replays.rows().filter((replay) => replay.disk === key && isReplayOpen(replay)),
    ...alive.vms
      .rows()
      .filter((vm) => vm.disk === key || vm.prepares === key)
      .map((vm) => ({ id: vmName(vm.id) })),
    ...alive.snapshots
      .rows()
      .filter((snapshot) => snapshot.disk === key)
      .map((snapshot) => ({ id: snapshotName(snapshot.id) })),
  ].map((user) => user.id);
}
