import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import type { Runner } from './runner.ts';
import { type Ports, type ServiceName, services, urlOf } from './services.ts';

const askMs = 5000;
const pauseMs = 250;

/** GET; null when nothing answers in time. `basic` is `user:password`. */
export async function get(url: string, basic?: string): Promise<{ status: number; text: string } | null> {
  try {
    const headers = basic === undefined ? {} : { authorization: `Basic ${Buffer.from(basic).toString('base64')}` };
    const answer = await fetch(url, { headers, signal: AbortSignal.timeout(askMs), redirect: 'error' });
    return { status: answer.status, text: await answer.text() };
  } catch {
    return null;
  }
}

export async function isReady(name: ServiceName, ports: Ports): Promise<boolean> {
  const answer = await get(`${urlOf(ports[services[name].ports[0]])}${services[name].ready}`);
  return answer?.status === 200;
}

/**
 * Waits until the service can be used. Throws `command_failed` as soon as it has ended, `command_timed_out` at its deadline, both
 * with the last lines it printed.
 */
export async function waitReady(
  name: ServiceName,
  ports: Ports,
  deps: { runner: Runner; clock: Clock; signal: AbortSignal },
): Promise<void> {
  const { title, readyMs } = services[name];
  const { runner, clock } = deps;
  const deadline = clock.now() + readyMs;
  for (let seenEnded = 0; clock.now() < deadline; ) {
    deps.signal.throwIfAborted();
    if (await isReady(name, ports)) return;
    // A container that its engine starts again is seen as ended for a moment.
    seenEnded = (await runner.look(name)).state === 'running' ? 0 : seenEnded + 1;
    if (seenEnded > 3) throw await failure('command_failed', `${title} has ended right after its start.`, name, runner);
    await clock.sleep(pauseMs, deps.signal);
  }
  throw await failure('command_timed_out', `${title} is not ready after ${readyMs / 1000} s.`, name, runner);
}

async function failure(
  code: 'command_failed' | 'command_timed_out',
  what: string,
  name: ServiceName,
  runner: Runner,
): Promise<FleetError> {
  const lines = await runner.lastLines(name).catch(() => []);
  const said = lines.length === 0 ? 'It printed nothing.' : `Its last lines:\n${lines.join('\n')}`;
  return new FleetError(code, `${what} ${said}`, {
    remedy:
      'The others go on. Mend what it says, then run  ralph-fleet telemetry up  again, or  ralph-fleet telemetry down',
    details: { service: name, lines },
  });
}
