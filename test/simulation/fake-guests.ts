import type { Driver } from '../../src/drivers/driver.ts';
import type { FakeWorld } from '../../src/drivers/fake/world.ts';
import type { GuestAddress, Guests, JobEnd, JobSpec, JobState } from '../../src/guest/guest.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { FleetError } from '../../src/lib/errors.ts';
import { playImplementer } from './fake-implementer.ts';
import type { Dice } from './random.ts';

interface FakeJob {
  spec: JobSpec;
  boot: number;
  startedAt: number;
  endsAt: number;
  /** Set when it was stopped from outside. */
  killedAt: number | null;
  /** What its end says and writes, decided when it starts. */
  tree: string | null;
  signal: string;
  checks: string;
  exitCode: number;
  /** It had ended when its VM went down. */
  isDone: boolean;
}

interface FakeGuest {
  boot: number;
  /** Which of its VM's disks it is on. */
  disk: number;
  folders: Map<string, string>;
  tree: string;
  byAgent: boolean;
  jobs: Map<string, FakeJob>;
}

export interface FakeGuestsOptions {
  world: FakeWorld;
  clock: Clock;
  dice: Dice;
  treeOf: (commit: string) => string;
  bundles: Map<string, string>;
  isCalm: () => boolean;
  isSaved: (tree: string) => boolean;
  /** Its agent calls a tool of the gateway's. */
  say: (iteration: string, verb: string, given: object) => void;
  /** A promise that must never be broken is. */
  onBroken: (what: string) => void;
}

/** Guests in memory, bound to the fake driver's VMs: they answer while their VM runs, and lose their processes when it stops. */
export function createFakeGuests(options: FakeGuestsOptions): {
  guests: Guests;
  /** What its jobs had written by now stays on its disk when a VM goes down. */
  freeze: (id: string) => void;
  /** The tree on a VM's disk that an agent made and nobody took to the host; null when there is none. */
  unsaved: (id: string) => string | null;
  /** Something of a user is in it. */
  isUsed: (id: string) => boolean;
  silence: (id: string, ms: number) => void;
  /** A snapshot of a VM was taken; the disk of a VM was made of one. */
  keep: (id: string, snapshot: string) => void;
  startFrom: (snapshot: string, id: string) => void;
  /** The tree in a snapshot. */
  keptTree: (snapshot: string) => string | null;
} {
  const { world, clock, dice, bundles } = options;
  const states = new Map<string, FakeGuest>();
  const copies = new Map<string, Pick<FakeGuest, 'folders' | 'tree'>>();
  const startedJobs = new Set<string>();
  const silent = new Map<string, { boot: number; until: number }>();

  function reach(address: GuestAddress): FakeGuest {
    const vm = world.vms.get(address.id);
    if (vm === undefined || !world.answers(address.id)) {
      throw new FleetError('guest_unreachable', `The guest of ${address.id} does not answer.`);
    }
    const hush = silent.get(address.id);
    if (hush !== undefined && hush.boot === vm.boots && clock.now() < hush.until)
      throw new FleetError('guest_unreachable', `The guest of ${address.id} is silent.`);
    if (vm.hostKey !== address.hostKey) throw new FleetError('guest_untrusted', 'Another host key answers.');
    let guest = states.get(address.id);
    if (guest !== undefined && guest.disk !== vm.disks && unsaved(vm.id) !== null)
      options.onBroken(`work was lost: ${vm.id} was given an empty disk in place of one with ${guest.tree}`);
    if (guest === undefined || guest.disk !== vm.disks) {
      guest = { boot: vm.boots, disk: vm.disks, folders: new Map(), tree: '', byAgent: false, jobs: new Map() };
      states.set(address.id, guest);
    }
    guest.boot = vm.boots;
    return guest;
  }

  /** As the guest's own script: asking for a job that is not there is an error. */
  function jobOf(guest: FakeGuest, id: string): FakeJob {
    const job = guest.jobs.get(id);
    if (job === undefined) throw new FleetError('not_found', `There is no job ${id}.`);
    return job;
  }

  /** Something of a user comes into a guest: it must be like no other in use. (A twin of it may be there that was just forked.) */
  function takeIn({ id, hostKey }: GuestAddress): void {
    const isTwin = [...world.vms.values()].some((vm) => vm.id !== id && vm.hostKey === hostKey && isUsed(vm.id));
    if (isTwin) options.onBroken(`${id} was used with the host key of another VM`);
  }

  function isUsed(id: string): boolean {
    const guest = states.get(id);
    return guest !== undefined && world.vms.has(id) && guest.folders.size + guest.jobs.size > 0;
  }

  function endOf(job: FakeJob): JobEnd | null {
    const at = job.killedAt ?? job.endsAt;
    if (clock.now() < at) return null;
    const killed = job.killedAt !== null;
    const exitCode = killed ? null : job.exitCode;
    return {
      exitCode,
      signal: killed ? 'SIGTERM' : null,
      timedOut: false,
      killed,
      startedAt: job.startedAt,
      endedAt: at,
    };
  }

  function stateOf(guest: FakeGuest, job: FakeJob): JobState {
    const end = job.boot === guest.boot || job.isDone ? endOf(job) : null;
    const state = end !== null ? 'ended' : job.boot === guest.boot ? 'running' : 'lost';
    return { id: job.spec.id, state, streamBytes: end === null ? 0 : 10, end };
  }

  const guests: Guests = {
    ping: async (vm) => void reach(vm),
    identify: async (vm, { hostname }) => {
      reach(vm);
      return { machineId: vm.id, bootId: 'b', hostname, clockOffsetMs: 0 };
    },
    verify: async (vm) => {
      reach(vm);
      return { ok: true, contract: 1, image: 'sim', tools: {}, problems: [] };
    },
    seedWorkspace: async (vm, seed) => {
      const guest = reach(vm);
      takeIn(vm);
      guest.folders.set(seed.folder, seed.commit);
      if (seed.folder !== 'work') return;
      if (unsaved(vm.id) !== null) options.onBroken(`work was lost: seeding ${vm.id} overwrote ${guest.tree}`);
      guest.byAgent = false;
      guest.tree = options.treeOf(seed.commit);
    },
    startJob: async (vm, spec) => {
      const guest = reach(vm);
      takeIn(vm);
      if (guest.jobs.has(spec.id)) return;
      const started = spec.kind === 'agent' ? spec.id : `${spec.id} in ${vm.id}`;
      if (startedJobs.has(started)) options.onBroken(`job ${started} was started twice`);
      startedJobs.add(started);
      const job = play(guest, spec);
      guest.jobs.set(spec.id, job);
      if (spec.kind === 'agent') void speak(vm.id, job);
    },
    jobs: async (vm) => {
      const guest = reach(vm);
      const list = [...guest.jobs.values()].map((job) => stateOf(guest, job));
      for (const job of guest.jobs.values()) apply(guest, job);
      return list;
    },
    readStream: async (vm, id, offset) => {
      const whole = endOf(jobOf(reach(vm), id)) !== null ? '{"a":"b"}\n' : '';
      return new TextEncoder().encode(whole.slice(offset));
    },
    readJobFile: async (vm, id, name) => {
      const job = jobOf(reach(vm), id);
      if (endOf(job) === null || job.killedAt !== null) return new Uint8Array();
      const text = name === 'signals.jsonl' ? job.signal : name === 'checks.jsonl' ? job.checks : '';
      return new TextEncoder().encode(text);
    },
    stopJob: async (vm, id) => {
      const job = jobOf(reach(vm), id);
      if (endOf(job) === null) job.killedAt = clock.now();
    },
    save: async (vm, save) => {
      const guest = reach(vm);
      for (const job of guest.jobs.values()) apply(guest, job);
      bundles.set(save.targetFile, guest.tree);
      return { files: 1, bytes: 10, leftOut: [] };
    },
    sync: async (vm) => void reach(vm),
    seal: async (vm) => void reach(vm),
    settle: async (vm) => {
      reach(vm);
      if (isUsed(vm.id)) options.onBroken(`a template was made of ${vm.id}, which was used`);
      const found = world.vms.get(vm.id);
      if (found !== undefined) world.settle(found);
    },
    identifyFork: async (id, _spare, { hostname, machineId }) => {
      const vm = world.vms.get(id);
      if (vm === undefined || !world.answers(id))
        throw new FleetError('guest_unreachable', `The guest of ${id} does not answer.`);
      const roll = options.isCalm() ? 1 : dice.next();
      if (roll < 0.04) throw new FleetError('guest_untrusted', `${id} stays as it is.`);
      const twin = [...world.vms.values()].find((other) => other.id !== id && other.isForked)?.hostKey;
      if (roll < 0.15 && twin) vm.hostKey = twin;
      else world.identify(vm);
      return { hostname, machineId, bootId: 'b', hostKey: vm.hostKey ?? '', random: dice.hex(32), clockOffsetMs: 0 };
    },
    terminal: async () => {
      throw new FleetError('guest_unreachable', 'There is no terminal in the simulation.');
    },
    shell: async () => {
      throw new FleetError('guest_unreachable', 'There is no shell in the simulation.');
    },
    forget: () => {},
    close: async () => {},
  };

  /** Decides at its start how a job will go: agents mostly make progress, sometimes not; checks pass on finished trees. */
  function play(guest: FakeGuest, spec: JobSpec): FakeJob {
    const startedAt = clock.now();
    const endsAt = startedAt + dice.between(500, 30_000);
    const nothing = { tree: null, signal: '', checks: '', exitCode: 0 };
    const part =
      spec.kind === 'setup'
        ? { exitCode: !options.isCalm() && dice.chance(0.2) ? 1 : 0 }
        : spec.kind === 'checks'
          ? { checks: playChecks(guest, spec) }
          : spec.title.startsWith('reviewer')
            ? { signal: playReviewer(spec) }
            : playImplementer(dice, spec);
    const isSilent = 'isSilent' in part && part.isSilent;
    const ends = { startedAt, endsAt: isSilent ? Number.POSITIVE_INFINITY : endsAt };
    return { spec, boot: guest.boot, ...ends, killedAt: null, isDone: false, ...nothing, ...part };
  }

  /** Half of the agents say all by their file; the others by tools, and something more. */
  async function speak(vm: string, job: FakeJob): Promise<void> {
    const signal = dice.chance(0.5) ? parsed(job.signal) : null;
    if (signal === null) return;
    job.signal = '';
    const sleepMs = job.endsAt - clock.now();
    await clock.sleep(dice.between(0, sleepMs));
    const isAlive = () => states.get(vm)?.jobs.get(job.spec.id) === job && world.answers(vm) && job.killedAt === null;
    const lesson = { text: `lesson of ${job.spec.id}`, scope: 'project' };
    if (isAlive() && dice.chance(0.3)) options.say(job.spec.id, 'learned', lesson);
    await clock.sleep(Math.max(0, job.endsAt - clock.now()));
    if (isAlive()) options.say(job.spec.id, String(signal['verb']), signal);
  }

  function playReviewer(spec: JobSpec): string {
    const nonce = spec.env['RALPH_NONCE'] ?? '';
    const roll = dice.next();
    const finding = { file: 'a', line: 1, severity: 'major', what: 'w', why: 'y' };
    const verdict =
      roll < 0.75 ? { decision: 'approve', findings: [] } : { decision: 'request_changes', findings: [finding] };
    return roll > 0.93 ? 'garbage' : JSON.stringify({ nonce, verb: 'verdict', summary: 's', ...verdict });
  }

  function playChecks(guest: FakeGuest, spec: JobSpec): string {
    const isGood = guest.tree.startsWith('good');
    const passed = isGood && !dice.chance(0.05);
    if (dice.chance(0.03)) return '{"id":';
    const result = { exitCode: passed ? 0 : 1, timedOut: false, ms: 5, passed, tail64: 'dA==' };
    return spec.checks.map(({ id }) => JSON.stringify({ id, ...result })).join('\n');
  }

  function apply(guest: FakeGuest, job: FakeJob): void {
    if (job.tree !== null && job.boot === guest.boot && clock.now() >= (job.killedAt ?? job.endsAt)) write(guest, job);
  }

  function write(guest: FakeGuest, job: FakeJob): void {
    if (job.tree === null) return;
    guest.tree = job.tree;
    guest.byAgent = true;
    job.tree = null;
  }

  function freeze(id: string): void {
    const guest = states.get(id);
    if (guest === undefined || world.vms.get(id)?.boots !== guest.boot) return;
    for (const job of guest.jobs.values()) {
      if (job.boot !== guest.boot) continue;
      job.isDone = clock.now() >= (job.killedAt ?? job.endsAt);
      // Half of its time is enough to have written something.
      if (clock.now() * 2 >= job.startedAt + Math.min(job.endsAt, job.startedAt + 60_000)) write(guest, job);
    }
  }

  function unsaved(id: string): string | null {
    const guest = states.get(id);
    return guest?.byAgent && !options.isSaved(guest.tree) ? guest.tree : null;
  }

  function silence(id: string, ms: number): void {
    const vm = world.vms.get(id);
    if (vm !== undefined) silent.set(id, { boot: vm.boots, until: clock.now() + ms });
  }

  function keep(id: string, snapshot: string): void {
    const vm = world.vms.get(id);
    const guest = states.get(id);
    const isOn = guest !== undefined && guest.disk === vm?.disks;
    copies.set(snapshot, { folders: new Map(isOn ? guest.folders : []), tree: isOn ? guest.tree : '' });
  }

  /** What is in it is somebody else's, saved or not. */
  function startFrom(snapshot: string, id: string): void {
    const vm = world.vms.get(id);
    const copy = copies.get(snapshot);
    if (vm === undefined || copy === undefined) return;
    const { folders, tree } = copy;
    states.set(id, {
      boot: vm.boots,
      disk: vm.disks,
      folders: new Map(folders),
      tree,
      byAgent: false,
      jobs: new Map(),
    });
  }

  const keptTree = (snapshot: string) => copies.get(snapshot)?.tree ?? null;
  return { guests, freeze, unsaved, isUsed, silence, keep, startFrom, keptTree };
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
}

export type { Driver };
