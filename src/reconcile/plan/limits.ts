import type { Iteration } from '../../domain/iteration.ts';
import type { Task } from '../../domain/task.ts';
import { limitFor, resumesAt, sayLimit, type UsageLimit } from '../../domain/usage-limit.ts';
import { decide } from './move.ts';
import type { Pass } from './need-vm.ts';
import type { World } from './world.ts';

/**
 * Nothing is started that would meet a usage limit. A task that is worked on is parked; one that is not begun, or is being
 * reviewed, waits where it is.
 */
export function limitOf(world: World, task: Task): UsageLimit | null {
  const provider = world.providers.get(task.agent) ?? null;
  const model = task.model ?? world.config.agent.model;
  return limitFor(world.limits, { provider, model, who: task.id, now: world.now });
}

export function waitIfLimited(pass: Pass, task: Task): boolean {
  const limit = limitOf(pass.world, task);
  if (limit !== null) pass.to.wait(task.id, `${sayLimit(limit)}; goes on by itself`);
  return limit !== null;
}

export function parkIfLimited(pass: Pass, task: Task): boolean {
  const limit = limitOf(pass.world, task);
  if (limit === null) return false;
  const until = resumesAt(limit, task.id);
  decide(pass, task, { to: 'rate_limited', reason: sayLimit(limit), until, notes: [], patch: {} });
  return true;
}

/** rate_limited: goes on when the limit is reset, or holds no longer for another reason: another credential, a smaller floor. */
export function planRateLimited(pass: Pass, task: Task): void {
  if (waitIfLimited(pass, task)) return;
  pass.to.step('move_task', `task:${task.id}`, 'the usage limit holds no longer', {
    task: task.id,
    from: 'rate_limited',
    to: 'ready',
    reason: null,
  });
}

/** After the provider failed: not again before its time. */
export function waitAfterOutage(pass: Pass, task: Task, last: Iteration | null): boolean {
  // A person who tries it again does not wait.
  if (task.uncounted === 0 || last?.outcome !== 'infra' || last.retryAt === null || pass.world.now >= last.retryAt)
    return false;
  pass.to.wait(task.id, `${last.reason}; tried again at ${new Date(last.retryAt).toISOString()}`);
  return true;
}
