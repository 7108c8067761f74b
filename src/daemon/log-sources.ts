import type { Task } from '../domain/task.ts';
import type { Driver } from '../drivers/driver.ts';
import type { Clock } from '../lib/clock.ts';
import type { Paths } from '../lib/paths.ts';
import { streamFile } from '../loop/run-files.ts';
import type { Store } from '../store/store.ts';
import type { LogSource } from '../telemetry/logs/source.ts';

export interface LogSourcesDeps {
  paths: Pick<Paths, 'daemonLog' | 'gatewayLog' | 'runs'>;
  store: Store;
  driver: Pick<Driver, 'name' | 'consoleFile'>;
  clock: Pick<Clock, 'now'>;
  /** The id of a task's trace; null while none is made. */
  traceOf: (task: Task) => string | null;
}

const recentMs = 3_600_000;
/** Loki takes nothing older. */
const oldestMs = 7 * 86_400_000;

/** What there is to ship now. `all`: what ended while no relay ran too; which of it was sent, the relay knows. */
export function logSources(deps: LogSourcesDeps, all: boolean): LogSource[] {
  const { paths, store, driver, clock } = deps;
  const plain = { labels: {}, ids: {}, endedAt: null };
  return [
    { ...plain, key: 'daemon', kind: 'daemon', path: paths.daemonLog },
    { ...plain, key: 'gateway', kind: 'gateway', path: paths.gatewayLog },
    ...iterations(store, clock.now(), all).map((it): LogSource => {
      const ids = { task: it.task, ralph: it.ralph, iteration: it.id, vm: it.vm, ...traceId(deps, it.task) };
      const path = streamFile(paths.runs, it.id);
      return {
        key: `iteration/${it.id}`,
        kind: 'iteration',
        path,
        labels: { role: it.role },
        ids,
        endedAt: it.endedAt,
      };
    }),
    ...store.alive.vms.rows().flatMap((vm): LogSource[] => {
      const path = driver.consoleFile(vm.id);
      if (path === null) return [];
      const ids = { vm: vm.id, ...(vm.ralph === null ? {} : { ralph: vm.ralph }) };
      const labels = { role: vm.purpose, driver: driver.name };
      return [{ key: `console/${vm.id}`, kind: 'console', path, labels, ids, endedAt: null }];
    }),
  ];
}

/** So that a viewer of traces finds the words of an agent, and the other way. */
function traceId({ store, traceOf }: LogSourcesDeps, id: string): { trace_id?: string } {
  const task = store.tasks.get(id);
  const trace = task === null ? null : traceOf(task);
  return trace === null ? {} : { trace_id: trace };
}

function iterations(store: Store, now: number, all: boolean) {
  const alive = store.alive.iterations.rows().filter(({ endedAt }) => endedAt === null || endedAt > now - recentMs);
  if (!all) return alive;
  const known = new Set(alive.map(({ id }) => id));
  const ended = store.iterations.list('WHERE endedAt >= ?', now - oldestMs);
  return [...alive, ...ended.filter(({ id }) => !known.has(id))];
}
