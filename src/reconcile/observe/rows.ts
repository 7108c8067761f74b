import type { Task } from '../../domain/task.ts';
import type { Store } from '../../store/store.ts';
import type { World } from '../plan/world.ts';

/** The desired half of the world: the rows the planner needs, and no more. */
export type Rows = Omit<World, 'now' | 'config' | 'capacity' | 'providers' | 'observed'>;

/** Reads the rows; what was not written since is not read again, so that looking costs next to nothing. */
export function createRowsReader(store: Store): () => Rows {
  const { alive } = store;
  const tasks = remember(store.tasks, () => withDependencies(store, alive.tasks.rows()));
  const ralphs = remember(store.ralphs, () => alive.ralphs.rows().toSorted((a, b) => (a.name < b.name ? -1 : 1)));
  return () => {
    const { desire, paused } = store.fleet();
    return {
      desire,
      paused,
      projects: alive.projects.rows(),
      tasks: tasks(),
      vms: alive.vms.rows(),
      snapshots: alive.snapshots.rows(),
      ralphs: ralphs(),
      disks: alive.disks.rows(),
      iterations: alive.iterations.rows(),
      checkRuns: alive.checkRuns.rows(),
      reviews: alive.reviews.rows(),
      replays: alive.replays.rows(),
      approvals: alive.approvals.rows(),
      flags: alive.flags.rows(),
      budgets: alive.budgets.rows(),
      stops: alive.stops.rows(),
      limits: alive.limits.rows(),
      pinged: store.pinged(),
    };
  };
}

function remember<T>(table: { version(): number }, read: () => T): () => T {
  let known: { version: number; value: T } | null = null;
  return () => {
    const version = table.version();
    if (known?.version !== version) known = { version, value: read() };
    return known.value;
  };
}

/** A task that waits needs to know of what it waits for, also when that has ended. */
function withDependencies(store: Store, tasks: readonly Task[]): readonly Task[] {
  if (tasks.every((task) => task.dependsOn.length === 0)) return tasks;
  const known = new Set(tasks.map((task) => task.id));
  const missing = new Set(tasks.flatMap((task) => task.dependsOn).filter((id) => !known.has(id)));
  return missing.size === 0 ? tasks : [...tasks, ...[...missing].flatMap((id) => store.tasks.get(id) ?? [])];
}
