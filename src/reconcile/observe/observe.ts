import type { AgentAdapter } from '../../agents/agent.ts';
import type { FleetConfig } from '../../domain/fleet.ts';
import type { HostLook } from '../../domain/host.ts';
import type { Vm } from '../../domain/vm.ts';
import type { Driver } from '../../drivers/driver.ts';
import type { Guests, JobState } from '../../guest/guest.ts';
import type { ImageBuilder } from '../../images/builder.ts';
import type { Clock } from '../../lib/clock.ts';
import { FleetError, formatError } from '../../lib/errors.ts';
import type { GatewayPort } from '../../loop/ports.ts';
import type { Store } from '../../store/store.ts';
import { addressOf } from '../execute/address.ts';
import type { GuestSeen, Observed, VmLook, World } from '../plan/world.ts';
import { createHostWatch } from './host.ts';
import { createQuietWatch } from './quiet.ts';

export interface ObserveDeps {
  store: Store;
  driver: Driver;
  guests: Guests;
  images: ImageBuilder;
  gateway: Pick<GatewayPort, 'tunnels' | 'calls' | 'credentials'>;
  agent: (name: string) => Pick<AgentAdapter, 'provider'>;
  clock: Clock;
  /** A look at memory and disks. */
  host: () => Promise<HostLook>;
  /** How VMs are sped up on this host, as the driver's probe proved. */
  accel: () => Observed['accel'];
  config: () => FleetConfig;
}

export interface Observer {
  observe(): Promise<Observed>;
  /** The clock was moved by so much while nobody looked: what is remembered with since when is moved with it. */
  slept(ms: number): void;
}

type Busy = Pick<World, 'vms' | 'iterations' | 'checkRuns' | 'replays'>;

/** How long a look waits for one guest; its answer is taken by a later look, and the others are not held up. */
const patienceMs = 5_000;

interface Memory {
  looks: Map<string, VmLook>;
  /** What each VM's process holds of the memory, as the driver last said. */
  residentMiB: ReadonlyMap<string, number>;
  driverSilentSince: number | null;
  silentSince: Map<string, number>;
  /** How they stood when that was last told: while nobody can be asked no iteration is tried on one known to be none. */
  credentials: Observed['credentials'];
  /** Questions without an answer yet. */
  asking: Map<string, Promise<JobState[]>>;
}

/** Asks the world what is true now. What cannot be asked is unknown, with since when; it is never taken for absent. */
export function createObserver(deps: ObserveDeps): Observer {
  const quietFor = createQuietWatch();
  const seeHost = createHostWatch(deps);
  const memory: Memory = {
    driverSilentSince: null,
    credentials: null,
    looks: new Map(),
    residentMiB: new Map(),
    silentSince: new Map(),
    asking: new Map(),
  };
  return {
    slept(ms) {
      for (const [id, { state, since }] of memory.looks) memory.looks.set(id, { state, since: since + ms });
      for (const [id, since] of memory.silentSince) memory.silentSince.set(id, since + ms);
    },
    async observe() {
      const askedAt = deps.clock.now();
      const { vms, iterations, checkRuns, replays } = deps.store.alive;
      const alive = {
        vms: vms.rows(),
        iterations: iterations.rows(),
        checkRuns: checkRuns.rows(),
        replays: replays.rows(),
      };
      // All are asked at once; none of these fails, they say what they could not learn.
      const driver = seeDriver(deps, memory);
      const host = seeHost(alive.vms);
      const guests = seeGuests(deps, alive, memory);
      const imageKey = deps.images.key().catch(() => null);
      const tunnels = deps.gateway.tunnels().catch(() => null);
      const templates = seeTemplates(deps).catch(() => null);
      const snapshots = seeSnapshots(deps).catch(() => null);
      const credentials = seeCredentials(deps, memory).catch(() => memory.credentials);
      const calls = seeCalls(deps, alive).catch(() => null);
      const said = { guests: await guests, calls: await calls };
      const [seen, of] = [await driver, await host];
      return {
        askedAt,
        driver: seen,
        host: of === null ? null : { ...of, residentMiB: memory.residentMiB },
        guests: said.guests,
        quiet: quietFor(alive.iterations, { ...said, now: deps.clock.now() }),
        imageKey: await imageKey,
        tunnels: await tunnels,
        accel: deps.accel(),
        templates: await templates,
        snapshots: await snapshots,
        credentials: await credentials,
      };
    },
  };
}

async function seeDriver({ driver, clock }: ObserveDeps, memory: Memory): Promise<Observed['driver']> {
  try {
    const list = await driver.list();
    memory.driverSilentSince = null;
    const before = memory.looks;
    memory.looks = new Map();
    memory.residentMiB = new Map(
      list.flatMap(({ id, residentMiB = null }) => (residentMiB === null ? [] : [[id, residentMiB]])),
    );
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

async function seeTemplates({ driver, store, config }: ObserveDeps): Promise<Observed['templates']> {
  if (!driver.canFork) return null;
  const { size } = config().vms;
  const ready = store.alive.disks.rows().filter((disk) => disk.phase === 'ready');
  const bases = ready.flatMap(({ key, path, boot }) => (path === null ? [] : [{ disk: key, base: path, boot, size }]));
  return new Set(bases.length === 0 ? [] : await driver.templates(bases));
}

async function seeSnapshots({ driver }: ObserveDeps): Promise<Observed['snapshots']> {
  const { snapshots } = await driver.space();
  return new Map([...snapshots].map(([id, bytes]) => [id, bytes !== null]));
}

/** Only while somebody may call. */
async function seeCalls({ gateway }: ObserveDeps, { iterations }: Busy): ReturnType<GatewayPort['calls']> {
  return iterations.some((it) => it.phase === 'running') ? gateway.calls() : new Map();
}

/** Those that agents need; where none does, or nothing is to run, nobody is asked. */
async function seeCredentials(
  { store, config, gateway, agent }: ObserveDeps,
  memory: Memory,
): Promise<Observed['credentials']> {
  if (store.fleet().desire !== 'up') return null;
  const agents = new Set([config().agent.cli, ...store.alive.tasks.rows().map((task) => task.agent)]);
  const needed = [...agents].flatMap((name) => {
    const { provider } = agent(name);
    return provider === null ? [] : [{ name, provider }];
  });
  if (needed.length === 0) return new Map();
  const looks = await gateway.credentials();
  memory.credentials = new Map(
    needed.flatMap(({ name, provider }) => {
      const look = looks.find((it) => it.provider === provider);
      return look === undefined ? [] : [[name, look] as const];
    }),
  );
  return memory.credentials;
}

async function seeGuests(deps: ObserveDeps, alive: Busy, memory: Memory): Promise<Map<string, GuestSeen>> {
  const seen = new Map<string, GuestSeen>();
  const asked = alive.vms.filter((vm) => vm.phase === 'ready' && hasJobs(alive, vm));
  const answers = asked.map((vm) => ({ id: vm.id, answer: seeGuest(deps, vm, memory) }));
  for (const { id, answer } of answers) seen.set(id, await answer);
  for (const id of memory.silentSince.keys()) if (!seen.has(id)) memory.silentSince.delete(id);
  return seen;
}

async function seeGuest(deps: ObserveDeps, vm: Vm, { silentSince, asking }: Memory): Promise<GuestSeen> {
  try {
    const jobs = await soon(deps.clock, asking.get(vm.id) ?? ask(deps, vm, asking));
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

function ask(deps: ObserveDeps, vm: Vm, asking: Memory['asking']): Promise<JobState[]> {
  const answer = deps.guests.jobs(addressOf(deps, vm));
  const answered = () => void asking.delete(vm.id);
  asking.set(vm.id, answer);
  answer.then(answered, answered);
  return answer;
}

/** The answer, if it comes in time. */
function soon<T>(clock: Clock, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const tooLate = () => reject(new FleetError('guest_timed_out', 'It has not answered yet.'));
    const callOff = clock.after(patienceMs, tooLate);
    answer.then(
      (value) => {
        callOff();
        resolve(value);
      },
      (error: unknown) => {
        callOff();
        reject(error);
      },
    );
  });
}

/** Only guests with something under way are asked: an idle fleet costs nothing. */
function hasJobs({ iterations, checkRuns, replays }: Busy, vm: Vm): boolean {
  if (vm.purpose === 'setup' || iterations.some((it) => it.vm === vm.id && it.phase !== 'ended')) return true;
  if (replays.some(({ runs }) => runs.some((run) => run.vm === vm.id && run.phase === 'running'))) return true;
  return checkRuns.some((run) => run.vm === vm.id && run.phase === 'running');
}
