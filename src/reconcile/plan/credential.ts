import { sayCredential } from '../../domain/credential.ts';
import type { Task } from '../../domain/task.ts';
import { decide } from './move.ts';
import type { Pass } from './need-vm.ts';
import type { World } from './world.ts';

/** Why its agent cannot call a model; null when nothing is known to keep it. */
function whyNone(world: World, task: Task): string | null {
  const look = world.observed.credentials?.get(task.agent);
  return look === undefined ? null : sayCredential(look);
}

/** No iteration is burnt on a credential that is known to be none: the task is parked, and comes back by itself. */
export function parkWithoutCredential(pass: Pass, task: Task): boolean {
  const reason = whyNone(pass.world, task);
  if (reason === null) return false;
  decide(pass, task, { to: 'blocked', reason, notes: [], patch: { needs: 'credential' } });
  return true;
}

/** The same for what keeps its place: it is not begun, and waits where it is. */
export function waitForCredential(pass: Pass, task: Task): boolean {
  const reason = whyNone(pass.world, task);
  if (reason !== null) pass.to.wait(task.id, reason);
  return reason !== null;
}

/** blocked for want of a credential: goes on once there is one that its provider takes. */
export function planWithoutCredential(pass: Pass, task: Task): void {
  const { world, to } = pass;
  const look = world.observed.credentials?.get(task.agent);
  const reason = look === undefined ? task.reason : sayCredential(look);
  if (reason !== null) {
    to.wait(task.id, reason);
    return;
  }
  to.step('move_task', `task:${task.id}`, 'there is a credential again', {
    task: task.id,
    from: 'blocked',
    to: 'ready',
    reason: null,
  });
}
