import type { ServicePlan } from './plan.ts';
import type { Places } from './render.ts';
import type { Addresses, PortName, Ports, ServiceName } from './services.ts';

/** What the one who runs the services says of one. */
export interface Look {
  /** absent: there is none; ended: it is there and does not run. */
  state: 'running' | 'ended' | 'absent';
  /** ISO 8601; null unless it runs. */
  since: string | null;
  /** `ServicePlan.hash` it was started with; null where there is none. */
  hash: string | null;
  /** What runs: an image, or a program and its pid. */
  what: string | null;
}

export const absent: Look = { state: 'absent', since: null, hash: null, what: null };

/** Runs the services, as containers or as processes. Each step can be done again; none trusts that the last one was done. */
export interface Runner {
  mode: 'containers' | 'native';
  /** `docker 28.1.0 (rootless)`, for people. */
  title: string;
  /** Services it cannot run here, with what brings them. */
  missing: readonly { name: ServiceName; remedy: string }[];
  addresses(ports: Ports, metricsListen: string): Addresses;
  places(name: ServiceName): Places;
  passwordFile: string;
  /** Ports of these services that stand open on this host. */
  published(name: ServiceName): readonly PortName[];
  look(name: ServiceName): Promise<Look>;
  /** Brings what is needed to start it (an image). `onProgress` gets one line for people. */
  fetch(name: ServiceName, onProgress: (line: string) => void): Promise<void>;
  /** Makes it run as planned: leaves it, starts it, or starts it anew. Throws when it could not be started. */
  ensure(plan: ServicePlan, ports: Ports): Promise<'left' | 'started' | 'replaced'>;
  /** The last lines it printed. */
  lastLines(name: ServiceName): Promise<string[]>;
  /** Ends it, if it is there. Its data stays. */
  remove(name: ServiceName): Promise<boolean>;
  /** Ends what the services shared. */
  removeShared(): Promise<void>;
  /** What the data of each takes on the disk; without those nobody can say it of. */
  dataBytes(): Promise<Partial<Record<ServiceName, number>>>;
  /** Removes all data. Only when nothing runs. */
  purge(): Promise<void>;
}
