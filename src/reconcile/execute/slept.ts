import { toIso } from '../../lib/clock.ts';
import type { ExecuteDeps } from './deps.ts';

/**
 * The host slept for so long, or its clock was set by so much: VMs did nothing meanwhile, so that what they had time for is moved by it, and the
 * clocks of their guests are set. Times that others named (the end of a usage limit) stay.
 */
export function afterSleep(deps: Pick<ExecuteDeps, 'store' | 'clock' | 'log' | 'driver'>, ms: number): void {
  const { store, clock, log, driver } = deps;
  log.warn({ ms, from: toIso(clock.now() - ms) }, 'the host slept, or its clock was set');
  store.tx(() => {
    for (const it of store.alive.iterations.rows()) {
      if (it.phase === 'ended') continue;
      const startedAt = it.phase === 'started' ? it.startedAt + ms : it.startedAt;
      store.iterations.update(it.id, { deadline: it.deadline + ms, startedAt });
    }
    for (const { id, phase, since, stageSince } of store.alive.vms.rows()) {
      if (gettingReady.includes(phase)) store.vms.update(id, { since: since + ms, stageSince: stageSince + ms });
    }
  });
  // Nobody waits for a guest that does not answer yet.
  for (const { id, phase } of store.alive.vms.rows()) {
    if (phase !== 'ready') continue;
    const note = (err: unknown) => log.warn({ vm: id, err }, 'the clock of a guest was not set');
    driver.setTime(id, clock.now()).catch(note);
  }
}

const gettingReady: readonly string[] = ['wanted', 'preparing', 'starting', 'identifying'];
