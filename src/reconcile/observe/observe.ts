import type { Vm } from '../../domain/vm.ts';
import type { Driver } from '../../drivers/driver.ts';
import type { Guests, JobState } from '../../guest/guest.ts';
import type { ImageBuilder } from '../../images/builder.ts';
import type { Clock } from '../../lib/clock.ts';
import { formatError } from '../../lib/errors.ts';
import type { GatewayPort } from '../../loop/ports.ts';
import type { Store } from '../../store/store.ts';
import { addressOf } from '../execute/address.ts';
import type { GuestSeen, Observed, VmSeen } from '../plan/world.ts';
import type { Rows } from './rows.ts';

export interface ObserveDeps {
  store: Store;
  rows: () => Rows;
  driver: Driver;
  guests: Guests;
  images: ImageBuilder;
  gateway: Pick<GatewayPort, 'tunnels'>;
  clock: Clock;
  /** How VMs are sped up on this host, as the driver's probe proved. */
  accel: () => Observed['accel'];
}

export interface Observer {
  observe(): Promise<Observed>;
}

/** Asks the world what is true now. What cannot be asked is unknown, with since when; it is never taken for absent. */
export function createObserver(deps: ObserveDeps): Observer {
  const silentSince = new Map<string, number>();
  return {
    async observe() {
      const askedAt = deps.clock.now();
      const [driver, guests, imageKey, tunnels] = await Promise.all([
        seeDriver(deps),
        seeGuests(deps, silentSince),
        deps.images.key().catch(() => null),
        deps.gateway.tunnels().catch(() => null),
      ]);
      return { askedAt, driver, guests, imageKey, tunnels, accel: deps.accel() };
    },
  };
}

async function seeDriver({ driver }: ObserveDeps): Promise<Observed['driver']> {
  try {
    const list = await driver.list();
    return { ok: true, vms: new Map<string, VmSeen>(list.map((vm) => [vm.id, vm.state])) };
  } catch (error) {
    return { ok: false, reason: formatError(error) };
  }
}

async function seeGuests(deps: ObserveDeps, silentSince: Map<string, number>): Promise<Map<string, GuestSeen>> {
  const seen = new Map<string, GuestSeen>();
  const asked = deps.rows().vms.filter((vm) => vm.phase === 'ready' && hasJobs(deps.rows(), vm));
  await Promise.all(asked.map(async (vm) => seen.set(vm.id, await seeGuest(deps, vm, silentSince))));
  for (const id of silentSince.keys()) if (!seen.has(id)) silentSince.delete(id);
  return seen;
}

async function seeGuest(deps: ObserveDeps, vm: Vm, silentSince: Map<string, number>): Promise<GuestSeen> {
  try {
    const jobs = await deps.guests.jobs(addressOf(deps, vm));
    silentSince.delete(vm.id);
    return {
      ok: true,
      jobs: new Map(jobs.map((job: JobState) => [job.id, { state: job.state, streamBytes: job.streamBytes }])),
    };
  } catch (error) {
    const since = silentSince.get(vm.id) ?? deps.clock.now();
    silentSince.set(vm.id, since);
    return { ok: false, reason: formatError(error), since };
  }
}

/** Only guests with something under way are asked: an idle fleet costs nothing. */
function hasJobs(rows: Rows, vm: Vm): boolean {
  if (vm.purpose === 'setup' || rows.iterations.some((it) => it.vm === vm.id && it.phase !== 'ended')) return true;
  return rows.checkRuns.some((run) => run.vm === vm.id && run.phase === 'running');
}
