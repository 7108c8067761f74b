import type { AgentAdapter } from '../../agents/agent.ts';
import type { Changes } from '../../changes/changes.ts';
import type { Disk } from '../../domain/disk.ts';
import type { FleetConfig } from '../../domain/fleet.ts';
import type { InboxItem } from '../../domain/inbox-item.ts';
import type { Project, ProjectSettings } from '../../domain/project.ts';
import type { HostAbout } from '../../domain/run-record.ts';
import type { Task } from '../../domain/task.ts';
import type { IterationTrace } from '../../domain/trace.ts';
import type { Driver } from '../../drivers/driver.ts';
import type { Guests } from '../../guest/guest.ts';
import type { Ballast } from '../../host/ballast.ts';
import type { ImageBuilder } from '../../images/builder.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { GatewayPort, RunFiles, RunRecords, SettledCall } from '../../loop/ports.ts';
import type { Prompts } from '../../prompts/prompts.ts';
import type { Store } from '../../store/store.ts';
import type { Step, StepKind, StepMap } from '../plan/step.ts';

/** The world as the executors reach it. Everything is handed in, so that the simulation can be the world. */
export interface ExecuteDeps {
  store: Store;
  clock: Clock;
  random: Random;
  log: Log;
  config: () => FleetConfig;
  driver: Driver;
  guests: Guests;
  changes: Changes;
  images: ImageBuilder;
  gateway: GatewayPort;
  runs: RunFiles;
  records: RunRecords;
  agent: (name: string) => AgentAdapter;
  prompts: Prompts;
  /** Public half of the key the host logs in with. */
  authorizedKey: string;
  /** The iteration's token: the same each time it is asked for, stored nowhere. */
  tokenOf: (iteration: string) => string;
  /** Where prepared disks and incoming bundles are put on the host. */
  preparedPath: (key: string) => string;
  incomingPath: (iteration: string) => string;
  /** Removes an image or a prepared disk from the cache. */
  removeDisk: (disk: Pick<Disk, 'key' | 'kind'>) => Promise<void>;
  /** Removes a file of ours, if it is there. */
  removeFile: (path: string) => Promise<void>;
  /** The cache may be deleted at any time. */
  isThere: (path: string) => Promise<boolean>;
  ballast: Ballast;
  /** The project's settings at a commit: its file there, or what the user confirmed when adding it. */
  readSettings: (project: Project, commit: string) => Promise<ProjectSettings>;
  /** What it all runs on here. */
  about: () => HostAbout;
  /** Its place in the traces, and how an agent is told it; null while no receiver of traces is configured. */
  traceOf: (task: Task, iteration: string) => (IterationTrace & { traceparent: string }) | null;
  notify: (item: InboxItem) => Promise<void>;
  /** Hears of each settled call once, in the transaction that stores it. */
  onSettled?: (call: SettledCall) => void;
}

/** `waits`: it looked and found nothing to change yet, so that its end is no reason for another pass at once. */
// biome-ignore lint/suspicious/noConfusingVoidType: most executors simply return
export type StepEnd = 'waits' | void;

/** Carries out one kind of step. Looks at the rows again first: the plan may be older than they are. */
export type Executor<K extends StepKind> = (deps: ExecuteDeps, data: StepMap[K]) => Promise<StepEnd>;
export type ExecutorTable = { [K in StepKind]: Executor<K> };
export type AnyStep = Step;
