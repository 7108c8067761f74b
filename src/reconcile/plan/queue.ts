import { isEnded, type Task } from '../../domain/task.ts';
import { taskPriorities } from '../../domain/task-draft.ts';
import { holdBackIfStopped, isRalphStopped } from './budget.ts';
import { waitForCredential } from './credential.ts';
import { waitIfLimited } from './limits.ts';
import type { Pass } from './need-vm.ts';
import { createRoom, isForLater } from './room.ts';
import { isRewinding } from './snapshots.ts';

/** Waiting and ready tasks: oldest first, one implementer Ralph each, held back while too many changes wait for a person. */
export function planQueue(pass: Pass): void {
  const { world, to } = pass;
  if (world.desire !== 'up') return;
  if (world.paused) {
    to.wait('fleet', 'the fleet is paused; `ralph-fleet resume` goes on');
    return;
  }
  const inQueue = world.tasks
    .filter((t) => (t.phase === 'waiting' || t.phase === 'ready') && !isRewinding(t))
    .sort(byAge);
  if (inQueue.length === 0) return;
  const busy = new Set(world.iterations.filter((it) => it.phase !== 'ended').map((it) => it.ralph));
  const free = world.ralphs.filter(
    (r) => r.role === 'implementer' && r.task === null && !busy.has(r.name) && !isRalphStopped(world, r.name),
  );
  const waitingForPerson = world.tasks.filter((t) => t.phase === 'awaiting_approval').length;
  const room = createRoom(world);
  for (const task of inQueue) {
    const dead = deadDependency(pass, task);
    if (dead !== null) {
      move(pass, task, 'blocked', dead);
      continue;
    }
    const unmet = unmetDependency(pass, task);
    if (unmet !== null) {
      if (task.phase === 'ready') move(pass, task, 'waiting', unmet);
      else to.wait(task.id, unmet);
      continue;
    }
    if (task.phase === 'waiting') {
      move(pass, task, 'ready', null);
      continue;
    }
    if (waitingForPerson >= world.config.limits.reviewsWaiting) {
      to.wait(task.id, `${waitingForPerson} changes wait for your approval, the limit; approve or reject one`);
      continue;
    }
    if (holdBackIfStopped(pass, task) || waitForCredential(pass, task) || waitIfLimited(pass, task)) continue;
    const ralph = free[0];
    if (ralph === undefined) {
      to.wait(task.id, 'waits for a free implementer');
      continue;
    }
    if (!room.take('implementer')) {
      to.wait(task.id, room.why);
      if (pass.world.vms.some((vm) => isForLater(vm.purpose))) pass.room.pressed = true;
      continue;
    }
    free.shift();
    to.step('claim_task', `task:${task.id}`, `${ralph.name} is free`, { task: task.id, ralph: ralph.name });
  }
}

/** What it waits for will never be merged. */
function deadDependency(pass: Pass, task: Task): string | null {
  const dead = pass.world.tasks.find(
    (other) => task.dependsOn.includes(other.id) && isEnded(other.phase) && other.phase !== 'merged',
  );
  return dead === undefined ? null : `it depends on ${dead.id}, which is ${dead.phase}`;
}

function unmetDependency(pass: Pass, task: Task): string | null {
  for (const id of task.dependsOn) {
    const other = pass.world.tasks.find((t) => t.id === id);
    if (other?.phase !== 'merged') return `waits for ${id}, which is ${other?.phase ?? 'unknown'}`;
  }
  return null;
}

function move(pass: Pass, task: Task, to: Task['phase'], reason: string | null): void {
  pass.to.step('move_task', `task:${task.id}`, reason ?? 'what it depends on is merged', {
    task: task.id,
    from: task.phase,
    to,
    reason,
  });
}

/** By priority, then oldest first: a clean change never waits behind newer ones. */
function byAge(a: Task, b: Task): number {
  const urgency = taskPriorities.indexOf(b.priority) - taskPriorities.indexOf(a.priority);
  return urgency || a.createdAt - b.createdAt || Number(a.id.slice(1)) - Number(b.id.slice(1));
}
