import type { Clock } from '../lib/clock.ts';
import type { LiveProblem } from '../queries/deps.ts';
import type { Endpoints } from '../stack/endpoints.ts';
import { get } from '../stack/health.ts';
import { serviceNames, services } from '../stack/services.ts';

/** Looks whether the servers that `telemetry up` started still answer: native ones nobody starts again, and alerts come from one of them. */
export interface StackWatch {
  problems(): LiveProblem[];
  close(): void;
}

export interface StackWatchDeps {
  /** Null while no stack of the fleet's runs. */
  endpoints: () => Endpoints | null;
  clock: Clock;
  /** For tests. */
  isReady?: (url: string) => Promise<boolean>;
}

const lookMs = 30_000;
/** One that is started anew is away for a moment. */
const patienceMs = 60_000;

export function createStackWatch({ endpoints, clock, isReady = answers }: StackWatchDeps): StackWatch {
  const silent = new Map<string, { title: string; url: string; since: number }>();
  let callOff = clock.after(lookMs, () => void look());
  let isClosed = false;

  async function look(): Promise<void> {
    const now = endpoints();
    const asked = serviceNames.flatMap((name) => {
      const at = now?.[name];
      return at == null ? [] : [{ name, url: at.url, ...services[name] }];
    });
    for (const url of silent.keys()) if (!asked.some((one) => one.url === url)) silent.delete(url);
    for (const { title, url, ready } of asked) {
      if (await isReady(`${url}${ready}`)) silent.delete(url);
      else if (!silent.has(url)) silent.set(url, { title, url, since: clock.now() });
    }
    if (!isClosed) callOff = clock.after(lookMs, () => void look());
  }

  return {
    problems: () =>
      [...silent.values()]
        .filter(({ since }) => clock.now() - since >= patienceMs)
        .map(({ title, url, since }) => ({
          id: `telemetry ${title}`,
          what: `${title} of the telemetry stack does not answer at ${url}`,
          since,
          remedy: 'ralph-fleet telemetry up   starts what is down, and says what it said last',
          vm: null,
          severity: 'warning',
        })),
    close() {
      isClosed = true;
      callOff();
    },
  };
}

async function answers(url: string): Promise<boolean> {
  return (await get(url))?.status === 200;
}
