import type { Task } from '../../domain/task.ts';
import type { Store } from '../../store/store.ts';
import type { World } from '../plan/world.ts';

const ended = "('merged', 'closed', 'failed', 'cancelled')";
const live = `task IN (SELECT id FROM tasks WHERE phase NOT IN ${ended})`;

/** The desired half of the world: the rows the planner needs, and no more. */
export type Rows = Omit<World, 'now' | 'config' | 'capacity' | 'observed'>;

const sql = {
  tasks: `WHERE phase NOT IN ${ended} OR (phase = 'failed' AND seen = 0)`,
  vms: "WHERE phase <> 'gone'",
  ralphs: 'ORDER BY name',
  iterations: `WHERE phase <> 'ended' OR ${live}`,
  checkRuns: `WHERE phase = 'running' OR ${live}`,
  reviews: `WHERE ${live}`,
  approvals: `WHERE state = 'active' OR (decision = 'reject' AND ${live})`,
};

/** Reads the rows; a table in which nothing was written since is not read again, so that looking costs next to nothing. */
export function createRowsReader(store: Store): () => Rows {
  const { tasks } = store;
  const cached = {
    projects: remember([store.projects], () => store.projects.list()),
    tasks: remember([tasks], () => withDependencies(store, tasks.list(sql.tasks))),
    vms: remember([store.vms], () => store.vms.list(sql.vms)),
    ralphs: remember([store.ralphs], () => store.ralphs.list(sql.ralphs)),
    disks: remember([store.disks], () => store.disks.list()),
    iterations: remember([tasks, store.iterations], () => store.iterations.list(sql.iterations)),
    checkRuns: remember([tasks, store.checkRuns], () => store.checkRuns.list(sql.checkRuns)),
    reviews: remember([tasks, store.reviews], () => store.reviews.list(sql.reviews)),
    approvals: remember([tasks, store.approvals], () => store.approvals.list(sql.approvals)),
    budgets: remember([store.budgets], () => store.budgets.list()),
    stops: remember([store.stops], () => store.stops.list()),
  };
  return () => {
    const { desire, paused } = store.fleet();
    return {
      desire,
      paused,
      projects: cached.projects(),
      tasks: cached.tasks(),
      vms: cached.vms(),
      ralphs: cached.ralphs(),
      disks: cached.disks(),
      iterations: cached.iterations(),
      checkRuns: cached.checkRuns(),
      reviews: cached.reviews(),
      approvals: cached.approvals(),
      budgets: cached.budgets(),
      stops: cached.stops(),
      pinged: store.pinged(),
    };
  };
}

function remember<T>(of: readonly { version(): number }[], read: () => T): () => T {
  let known: { version: number; value: T } | null = null;
  return () => {
    const version = of.reduce((sum, table) => sum + table.version(), 0);
    if (known === null || known.version !== version) known = { version, value: read() };
    return known.value;
  };
}

/** A task that waits needs to know of what it waits for, also when that has ended. */
function withDependencies(store: Store, tasks: Task[]): Task[] {
  const known = new Set(tasks.map((task) => task.id));
  const missing = new Set(tasks.flatMap((task) => task.dependsOn).filter((id) => !known.has(id)));
  return [...tasks, ...[...missing].flatMap((id) => store.tasks.get(id) ?? [])];
}
