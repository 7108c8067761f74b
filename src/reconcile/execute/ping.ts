import type { Executor } from './deps.ts';

/** Tells the person, then notes it down: a crash between may tell twice, never not at all. */
export const ping: Executor<'ping'> = async (deps, { item }) => {
  if (deps.store.wasPinged(item.id)) return;
  await deps.notify(item);
  deps.store.tx(() => {
    deps.store.markPinged(item.id);
    deps.store.events.add('ping', item.subject.task ?? 'fleet', `${item.kind}: ${item.title} (${item.why})`);
  });
};
