import type { FleetConfig } from '../domain/fleet.ts';
import { FleetError } from '../lib/errors.ts';
import { type ActionDeps, type Done, done } from './deps.ts';
import { cancelReplay } from './replay.ts';

export function fleetUp({ store }: ActionDeps): Done {
  const was = store.fleet().desire;
  if (was !== 'up') store.setDesire('up');
  return done(was === 'up' ? 'The fleet is up already.' : 'The fleet goes up.', null, was !== 'up');
}

/** Work is saved before anything stops. `deleteVms` removes VMs and their disks; repositories and runs always stay. */
export function fleetDown({ store, clock }: ActionDeps, deleteVms: boolean): Done {
  const wanted = deleteVms ? 'deleted' : 'down';
  const was = store.fleet().desire;
  if (was !== wanted) store.setDesire(wanted);
  for (const replay of store.alive.replays.rows()) cancelReplay({ store, clock }, replay.id);
  return done(
    deleteVms ? 'The fleet goes down and its VMs are removed.' : 'The fleet goes down; its work is saved first.',
    null,
    was !== wanted,
  );
}

export function fleetPause({ store }: ActionDeps): Done {
  if (store.fleet().paused) return done('The fleet is paused already.', null, false);
  store.setPaused(true);
  return done('Nothing new is started; what runs goes on to its end.');
}

export function fleetResume({ store }: ActionDeps): Done {
  if (!store.fleet().paused) return done('The fleet is not paused.', null, false);
  store.setPaused(false);
  return done('The fleet goes on.');
}

/** VMs carry the fleet's name and are seen through its driver: under another one they, and the work in them, would be lost sight of. */
export function refuseLosingVms({ store, config }: ActionDeps, next: FleetConfig): void {
  const now = config();
  const isOtherDriver = next.driver !== now.driver && next.driver !== 'auto' && now.driver !== 'auto';
  const key = next.name !== now.name ? 'name' : isOtherDriver ? 'driver' : null;
  const left = store.vms.list("WHERE phase <> 'gone'").length;
  if (key === null || left === 0) return;
  throw new FleetError(
    'refused',
    `Cannot change \`${key}\` from \`${now[key]}\` to \`${next[key]}\`: ${left} VMs are there.`,
    {
      remedy: 'ralph-fleet down --delete     (saves the work first), then the same command again',
    },
  );
}
