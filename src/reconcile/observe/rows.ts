import type { FleetConfig } from '../../domain/fleet.ts';
import type { Task } from '../../domain/task.ts';
import type { Store } from '../../store/store.ts';
import type { Observed, World } from '../plan/world.ts';

const ended = "('merged', 'closed', 'failed', 'cancelled')";
const live = `task IN (SELECT id FROM tasks WHERE phase NOT IN ${ended})`;

/** The desired half of the world: the rows the planner needs, and no more. */
export function readWorld(
  store: Store,
  more: { now: number; config: FleetConfig; capacity: number; observed: Observed },
): World {
  const fleet = store.fleet();
  return {
    ...more,
    desire: fleet.desire,
    paused: fleet.paused,
    projects: store.projects.list(),
    tasks: withDependencies(store, store.tasks.list(`WHERE phase NOT IN ${ended} OR (phase = 'failed' AND seen = 0)`)),
    vms: store.vms.list("WHERE phase <> 'gone'"),
    ralphs: store.ralphs.list('ORDER BY name'),
    disks: store.disks.list(),
    iterations: store.iterations.list(`WHERE phase <> 'ended' OR ${live}`),
    checkRuns: store.checkRuns.list(`WHERE phase = 'running' OR ${live}`),
    reviews: store.reviews.list(`WHERE ${live}`),
    approvals: store.approvals.list("WHERE state = 'active'"),
    pinged: store.pinged(),
  };
}

/** A task that waits needs to know of what it waits for, also when that has ended. */
function withDependencies(store: Store, tasks: Task[]): Task[] {
  const known = new Set(tasks.map((task) => task.id));
  const missing = new Set(tasks.flatMap((task) => task.dependsOn).filter((id) => !known.has(id)));
  return [...tasks, ...[...missing].flatMap((id) => store.tasks.get(id) ?? [])];
}
