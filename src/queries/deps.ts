import type { Level } from '../contract/gateway.ts';
import type { HostSize } from '../domain/fit.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import type { Pressure } from '../domain/pressure.ts';
import type { Task } from '../domain/task.ts';
import type { UsageWindow } from '../domain/usage-limit.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';

/** What a question needs: the rows, and what only the running daemon knows. A query changes nothing. */
export interface QueryDeps {
  store: Store;
  clock: Clock;
  config: () => FleetConfig;
  live: Live;
}

/** What the daemon knows beyond its rows. */
export interface Live {
  pid: number;
  version: string;
  since: number;
  driver: () => { name: string; wall: FleetConfig['wall'] | null; accel: 'kvm' | 'hvf' | 'tcg' | null };
  host: () => HostSize & { diskFreeGiB: number | null; availableMiB: number | null; pressure: Pressure | null };
  /** When the last pass was planned, and what it left waiting. */
  lastPass: () => { at: number; waits: { subject: string; reason: string }[] } | null;
  /** The fleet's own budget in its present period, as the gateway last told; null when it has not. */
  fleetLevel: () => Pick<Level, 'since' | 'until' | 'settled' | 'reserved'> | null;
  /** Usage windows of a subscription, as the provider last told. */
  usageWindows: () => readonly UsageWindow[];
  /** What is wrong now: failing steps, a silent driver or gateway. */
  problems: () => LiveProblem[];
  /** A few words on what an iteration does, from its own stream. */
  doing: (iteration: string) => string | null;
  /** The task's trace id; null while no receiver of traces is configured. */
  traceOf: (task: Task) => string | null;
}

export interface LiveProblem {
  id: string;
  what: string;
  since: number;
  remedy: string;
  vm: string | null;
  severity: 'error' | 'warning';
}
