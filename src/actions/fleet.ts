import { type ActionDeps, type Done, done } from './deps.ts';

export function fleetUp({ store }: ActionDeps): Done {
  const was = store.fleet().desire;
  if (was !== 'up') store.setDesire('up');
  return done(was === 'up' ? 'The fleet is up already.' : 'The fleet goes up.', null, was !== 'up');
}

/** Work is saved before anything stops. `deleteVms` removes VMs and their disks; repositories and runs always stay. */
export function fleetDown({ store }: ActionDeps, deleteVms: boolean): Done {
  const wanted = deleteVms ? 'deleted' : 'down';
  const was = store.fleet().desire;
  if (was !== wanted) store.setDesire(wanted);
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
