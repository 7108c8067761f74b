import { credentialProblems } from '../../domain/credential.ts';
import { inbox } from '../../domain/inbox.ts';
import { toInboxSnapshot } from '../../domain/inbox-snapshot.ts';
import { pressureProblems } from '../../domain/pressure.ts';
import type { Pass } from './need-vm.ts';

/** A ping is one inbox item becoming newly actionable by a person. Nothing else pings. */
export function planPings(pass: Pass): void {
  const { world, to } = pass;
  const items = inbox(
    toInboxSnapshot({
      now: world.now,
      tasks: world.tasks,
      reviews: world.reviews,
      flags: world.flags,
      reviewsWaiting: world.config.limits.reviewsWaiting,
      budget: { fleet: world.config.budget, changes: world.budgets, stops: world.stops },
      limits: [],
      problems: [
        ...credentialProblems(world.observed.credentials?.values() ?? []),
        ...pressureProblems(world.observed.host?.pressure ?? null),
      ],
    }),
  );
  for (const item of items) {
    if (!world.pinged.has(item.id)) to.step('ping', `ping:${item.id}`, item.title, { item });
  }
}
