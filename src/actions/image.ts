import { type ActionDeps, type Done, done } from './deps.ts';

/** Wants the image VMs start from, also while the fleet is down. The next passes build it, or find it in the cache. */
export function wantImage({ store, clock }: ActionDeps, key: string, builder: string): Done {
  const known = store.disks.get(key);
  if (known?.phase === 'ready') return done(`The ${builder} image \`${key}\` is there.`, null, false);
  if (known === null) {
    store.disks.insert({
      key,
      kind: 'image',
      project: null,
      phase: 'wanted',
      path: null,
      boot: null,
      backing: null,
      commit: null,
      progress: null,
      failure: null,
      attempts: 0,
      forkFailures: 0,
      forkFailedAt: null,
      since: clock.now(),
    });
  } else if (known.phase === 'failed') store.disks.update(key, { phase: 'wanted', attempts: 0, failure: null });
  return done(`The ${builder} image \`${key}\` is built.`);
}
