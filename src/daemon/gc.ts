import type { ActionDeps } from '../actions/deps.ts';
import { disksToRemove, removeDisks } from '../actions/image.ts';
import type { Driver } from '../drivers/driver.ts';
import { isAlive } from '../lib/alive.ts';
import type { Exec } from '../lib/exec.ts';
import type { Log } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';
import { createTurns } from '../lib/turns.ts';
import { createBackupSweep, createRecordSweep, createRunSweep } from '../reclaim/history.ts';
import { createLeftoverSweep } from '../reclaim/leftovers.ts';
import { type Reclaimed, reclaim } from '../reclaim/reclaim.ts';
import { createSnapshotSweep } from '../reclaim/snapshots.ts';
import type { Sweep } from '../reclaim/sweep.ts';
import { createTemplateSweep } from '../reclaim/templates.ts';
import { diskSizes } from './disk-files.ts';

export interface GcDeps extends Pick<ActionDeps, 'store' | 'clock' | 'config'> {
  paths: Paths;
  exec: Exec;
  log: Log;
  driver: Driver;
}

/** Hands each sweep its places. One after the other: two `gc` at once are two after each other. */
export function createGc(deps: GcDeps): (confirmed: boolean) => Promise<Reclaimed> {
  const { store, clock, config, paths, driver, log } = deps;
  const history = { store, clock, keepMs: () => config().keep.runsDays * 86_400_000 };
  const sweeps: Sweep[] = [
    createDiskSweep(deps),
    createTemplateSweep({ driver, disks: () => store.alive.disks.rows(), size: () => config().vms.size }),
    createSnapshotSweep({ ...history, driver, keep: () => config().vms.snapshots }),
    createRunSweep(history, paths.runs),
    createRecordSweep(history, paths.evidence),
    createBackupSweep(history, paths.fleetDb),
    createLeftoverSweep({ ...deps, isAlive }),
  ];
  const inTurn = createTurns();
  return (confirmed) => inTurn(() => reclaim(sweeps, confirmed, log));
}

/** Their rows say that they go; the next passes remove them. */
function createDiskSweep({ store, clock }: GcDeps): Sweep {
  return async () => {
    const going = disksToRemove({ store });
    const sizes = await diskSizes(going);
    return going.map(({ key, kind, project }) => ({
      kind: kind === 'image' ? 'image' : 'prepared disk',
      name: key,
      why: project === null ? 'no task, VM or next task needs it' : `nothing of ${project} needs it`,
      sizeBytes: sizes.get(key) ?? 0,
      remove: async () => removeDisks({ store, clock }),
    }));
  };
}
