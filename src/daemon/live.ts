import type { HostSize } from '../domain/fit.ts';
import type { Clock } from '../lib/clock.ts';
import type { Live, LiveProblem } from '../queries/deps.ts';
import type { Control } from '../reconcile/control.ts';
import type { Parts } from './parts.ts';
import { createProblems } from './problems.ts';

export interface LiveDeps {
  parts: Pick<Parts, 'driver' | 'accel'>;
  control: () => Control;
  clock: Clock;
  startedAt: number;
  version: string;
  host: () => HostSize & { diskFreeGiB: number | null };
  doing: Live['doing'];
  /** Of other parts. */
  more: () => LiveProblem[];
  traceOf: Live['traceOf'];
}

/** What only the running daemon knows, for the status document. */
export function createLive(deps: LiveDeps): Live {
  return {
    pid: process.pid,
    version: deps.version,
    since: deps.startedAt,
    driver: () => ({ name: deps.parts.driver.name, wall: deps.parts.driver.wall, accel: deps.parts.accel() }),
    host: () => {
      const seen = deps.control().runner.lastPass()?.world.observed.host ?? null;
      return { ...deps.host(), availableMiB: seen?.memory?.availableMiB ?? null, pressure: seen?.pressure ?? null };
    },
    lastPass: () => {
      const last = deps.control().runner.lastPass();
      return last === null ? null : { at: last.at, waits: last.plan.waits };
    },
    problems: createProblems(deps),
    fleetLevel: () => deps.control().fleetLevel(),
    usageWindows: () => deps.control().usageWindows(),
    doing: deps.doing,
    traceOf: deps.traceOf,
  };
}
