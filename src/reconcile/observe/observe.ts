import type { FleetConfig } from '../../domain/fleet.ts';
import type { Vm } from '../../domain/vm.ts';
import type { Driver } from '../../drivers/driver.ts';
import type { Guests, JobState } from '../../guest/guest.ts';
import type { ImageBuilder } from '../../images/builder.ts';
import type { Clock } from '../../lib/clock.ts';
import { FleetError, formatError } from '../../lib/errors.ts';
import type { GatewayPort } from '../../loop/ports.ts';
import type { Store } from '../../store/store.ts';
import { addressOf } from '../execute/address.ts';
import type { GuestSeen, Observed, VmLook } from '../plan/world.ts';
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
  config: () => FleetConfig;
}

export interface Observer {
  observe(): Promise<Observed>;
}

/** How long a look waits for one guest; its answer is taken by a later look, and the others are not held up. */
const patienceMs = 5_000;

interface Memory {
  looks: Map<string, VmLook>;
  driverSilentSince: number | null;
  silentSince: Map<string, number>;
  /** Questions without an answer yet. */
  asking: Map<string, Promise<JobState[]>>;
}

/** Asks the world what is true now. What cannot be asked is unknown, with since when; it is never taken for absent. */
export function createObserver(deps: ObserveDeps): Observer {
  const memory: Memory = { driverSilentSince: null, looks: new Map(), silentSince: new Map(), asking: new Map() };
  return {
    async observe() {
      const askedAt = deps.clock.now();
      const [driver, guests, imageKey, tunnels, templates] = await Promise.all([
        seeDriver(deps, memory),
        seeGuests(deps, memory),
        deps.images.key().catch(() => null),
        deps.gateway.tunnels().catch(() => null),
        seeTemplates(deps).catch(() => null),
      ]);
      return { askedAt, driver, guests, imageKey, tunnels, accel: deps.accel(), templates };
    },
  };
}

async function seeDriver({ driver, clock }: ObserveDeps, memory: Memory): Promise<Observed['driver']> {
  try {
    const list = await driver.list();
    memory.driverSilentSince = null;
    const before = memory.looks;
    memory.looks = new Map();
    for (const { id, state } of list) {
      const known = before.get(id);
      memory.looks.set(id, known?.state === state ? known : { state, since: clock.now() });
    }
    return { ok: true, vms: memory.looks };
  } catch (error) {
    memory.driverSilentSince ??= clock.now();
    return { ok: false, reason: formatError(error), since: memory.driverSilentSince };
  }
}

async function seeTemplates({ driver, rows, config }: ObserveDeps): Promise<Observed['templates']> {
  if (!driver.canFork) return null;
  const { size } = config().vms;
  const ready = rows().disks.filter((disk) => disk.phase === 'ready');
  const bases = ready.flatMap(({ key, path, boot }) => (path === null ? [] : [{ disk: key, base: path, boot, size }]));
  return new Set(bases.length === 0 ? [] : await driver.templates(bases));
}

async function seeGuests(deps: ObserveDeps, memory: Memory): Promise<Map<string, GuestSeen>> {
  const seen = new Map<string, GuestSeen>();
  const asked = deps.rows().vms.filter((vm) => vm.phase === 'ready' && hasJobs(deps.rows(), vm));
  await Promise.all(asked.map(async (vm) => seen.set(vm.id, await seeGuest(deps, vm, memory))));
  for (const id of memory.silentSince.keys()) if (!seen.has(id)) memory.silentSince.delete(id);
  return seen;
}

async function seeGuest(deps: ObserveDeps, vm: Vm, { silentSince, asking }: Memory): Promise<GuestSeen> {
  try {
    const answer = asking.get(vm.id) ?? deps.guests.jobs(addressOf(deps, vm)).finally(() => asking.delete(vm.id));
    asking.set(vm.id, answer);
    const jobs = await soon(deps.clock, answer);
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

/** The answer, if it comes in time. */
async function soon<T>(clock: Clock, answer: Promise<T>): Promise<T> {
  const called = new AbortController();
  const late = clock.sleep(patienceMs, called.signal).then(
    () => Promise.reject(new FleetError('guest_timed_out', 'It has not answered yet.')),
    () => answer,
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    called.abort('answered');
  }
}

/** Only guests with something under way are asked: an idle fleet costs nothing. */
function hasJobs(rows: Rows, vm: Vm): boolean {
  if (vm.purpose === 'setup' || rows.iterations.some((it) => it.vm === vm.id && it.phase !== 'ended')) return true;
  return rows.checkRuns.some((run) => run.vm === vm.id && run.phase === 'running');
}
