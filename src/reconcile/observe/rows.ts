import type { Task } from '../../domain/task.ts';
import type { Store } from '../../store/store.ts';
import type { World } from '../plan/world.ts';

const ended = "('merged', 'closed', 'failed', 'cancelled')";
const live = `task IN (SELECT id FROM tasks WHERE phase NOT IN ${ended})`;

/** The desired half of the world: the rows the planner needs, and no more. */
export type Rows = Omit<World, 'now' | 'config' | 'capacity' | 'observed'>;

/** Reads the rows; while nothing was written since, hands out the same ones, so that looking costs nothing. */
export function createRowsReader(store: Store): () => Rows {
  let known: { version: number; rows: Rows } | null = null;
  return () => {
    const version = store.version();
    if (known === null || known.version !== version) known = { version, rows: readRows(store) };
    return known.rows;
  };
}

function readRows(store: Store): Rows {
  const fleet = store.fleet();
  return {
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
