import type { IterationOutcome } from '../../src/domain/iteration.ts';
import type { UsageLimit } from '../../src/domain/usage-limit.ts';
import type { SimWorld } from './simulate.ts';

const free: readonly IterationOutcome[] = ['rate_limited', 'infra', 'over_budget'];

/**
 * What must hold of usage limits, seen from outside the planner: once the fleet knows of one it starts no iteration before the
 * reset, and what a limit or an outage ended costs no attempt. That every limited task goes on shows in that all come to rest.
 */
export function watchLimits(world: SimWorld): void {
  const { store, gateway, clock, violations } = world;
  const attempts = new Map<string, number>();
  let known: UsageLimit | null = null;
  let seen = store.events.last();
  store.events.onChange(() => {
    for (const { seq, kind, subject } of store.events.after(seen, 1000)) {
      seen = seq;
      if (kind === 'limit.began') known = gateway.limit();
      if (kind === 'limit.lifted') known = null;
      if (kind === 'iteration.started' && known !== null && known === gateway.limit())
        violations.push(
          `${subject} was started ${known.until - clock.now()} ms before the reset of a limit that was known`,
        );
      if (kind === 'iteration.ended') checkAttempts(subject);
      const task = store.tasks.get(subject);
      if (task !== null) attempts.set(task.id, task.iterations);
    }
  });

  function checkAttempts(id: string): void {
    const [last] = store.iterations.list('WHERE task = ? ORDER BY endedAt DESC, rowid DESC LIMIT 1', id);
    const before = attempts.get(id);
    const now = store.tasks.mustGet(id).iterations;
    if (last?.outcome == null || before === undefined || !free.includes(last.outcome)) return;
    if (now !== before) violations.push(`${last.id} ended as ${last.outcome} and was counted`);
  }
}
