import type { Driver } from '../../src/drivers/driver.ts';
import type { FakeWorld } from '../../src/drivers/fake/world.ts';
import type { GuestAddress, Guests, JobEnd, JobSpec, JobState } from '../../src/guest/guest.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { FleetError } from '../../src/lib/errors.ts';
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
}

interface FakeGuest {
  boot: number;
  folders: Map<string, string>;
  tree: string;
  jobs: Map<string, FakeJob>;
}

export interface FakeGuestsOptions {
  world: FakeWorld;
  clock: Clock;
  dice: Dice;
  treeOf: (commit: string) => string;
  bundles: Map<string, string>;
}

/** Guests in memory, bound to the fake driver's VMs: they answer while their VM runs, and lose their processes when it stops. */
export function createFakeGuests(options: FakeGuestsOptions): {
  guests: Guests;
  startedJobs: Map<string, number>;
  lost: Set<string>;
} {
  const { world, clock, dice, bundles } = options;
  const states = new Map<string, FakeGuest>();
  const startedJobs = new Map<string, number>();
  const lost = new Set<string>();

  function reach(address: GuestAddress): FakeGuest {
    const vm = world.vms.get(address.id);
    if (vm === undefined || !world.answers(address.id)) {
      throw new FleetError('guest_unreachable', `The guest of ${address.id} does not answer.`);
    }
    if (vm.hostKey !== address.hostKey) throw new FleetError('guest_untrusted', 'Another host key answers.');
    let guest = states.get(address.id);
    if (guest === undefined) {
      guest = { boot: vm.boots, folders: new Map(), tree: '', jobs: new Map() };
      states.set(address.id, guest);
    }
    guest.boot = vm.boots;
    return guest;
  }

  function endOf(job: FakeJob): JobEnd | null {
    const at = job.killedAt ?? job.endsAt;
    if (clock.now() < at) return null;
    const killed = job.killedAt !== null;
    return {
      exitCode: killed ? null : 0,
      signal: killed ? 'SIGTERM' : null,
      timedOut: false,
      killed,
      startedAt: job.startedAt,
      endedAt: at,
    };
  }

  function stateOf(guest: FakeGuest, job: FakeJob): JobState {
    const end = job.boot === guest.boot || job.endsAt < clock.now() ? endOf(job) : null;
    const state = end !== null ? 'ended' : job.boot === guest.boot ? 'running' : 'lost';
    if (state === 'lost') lost.add(job.spec.id);
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
      guest.folders.set(seed.folder, seed.commit);
      if (seed.folder === 'work') guest.tree = options.treeOf(seed.commit);
    },
    startJob: async (vm, spec) => {
      const guest = reach(vm);
      if (guest.jobs.has(spec.id)) return;
      const started = spec.kind === 'agent' ? spec.id : `${spec.id} in ${vm.id}`;
      startedJobs.set(started, (startedJobs.get(started) ?? 0) + 1);
      guest.jobs.set(spec.id, play(guest, spec));
    },
    jobs: async (vm) => {
      const guest = reach(vm);
      const list = [...guest.jobs.values()].map((job) => stateOf(guest, job));
      for (const job of guest.jobs.values()) apply(guest, job);
      return list;
    },
    readStream: async (vm, id, offset) => {
      const job = reach(vm).jobs.get(id);
      const whole = job !== undefined && endOf(job) !== null ? '{"a":"b"}\n' : '';
      return new TextEncoder().encode(whole.slice(offset));
    },
    readJobFile: async (vm, id, name) => {
      const guest = reach(vm);
      const job = guest.jobs.get(id);
      if (job === undefined || endOf(job) === null || job.killedAt !== null) return new Uint8Array();
      const text = name === 'signals.jsonl' ? job.signal : name === 'checks.jsonl' ? job.checks : '';
      return new TextEncoder().encode(text);
    },
    stopJob: async (vm, id) => {
      const job = reach(vm).jobs.get(id);
      if (job !== undefined && endOf(job) === null) job.killedAt = clock.now();
    },
    save: async (vm, save) => {
      const guest = reach(vm);
      for (const job of guest.jobs.values()) apply(guest, job);
      bundles.set(save.targetFile, guest.tree);
      return { files: 1, bytes: 10, leftOut: [] };
    },
    terminal: async () => {
      throw new FleetError('guest_unreachable', 'There is no terminal in the simulation.');
    },
    forget: () => {},
    close: async () => {},
  };

  /** Decides at its start how a job will go: agents mostly make progress, sometimes not; checks pass on finished trees. */
  function play(guest: FakeGuest, spec: JobSpec): FakeJob {
    const now = clock.now();
    const nonce = spec.env['RALPH_NONCE'] ?? '';
    const base = { spec, boot: guest.boot, startedAt: now, endsAt: now + dice.between(500, 30_000), killedAt: null };
    if (spec.kind === 'agent' && spec.title.startsWith('reviewer')) {
      const roll = dice.next();
      const finding = { file: 'a', line: 1, severity: 'major', what: 'w', why: 'y' };
      const verdict =
        roll < 0.75 ? { decision: 'approve', findings: [] } : { decision: 'request_changes', findings: [finding] };
      const signal = roll > 0.93 ? 'garbage' : JSON.stringify({ nonce, verb: 'verdict', summary: 's', ...verdict });
      return { ...base, tree: null, signal, checks: '' };
    }
    if (spec.kind === 'agent') {
      const finished = dice.chance(0.5);
      const tree = dice.chance(0.9) ? `${finished ? 'good' : 'bad'} ${spec.id}` : null;
      const verb = dice.pick(['done', 'done', 'partial', 'stuck', 'none'] as const);
      const words = {
        done: { summary: 's' },
        partial: { summary: 's', remaining: 'r' },
        stuck: { reason: 'r' },
        none: null,
      }[verb];
      return { ...base, tree, signal: words === null ? '' : JSON.stringify({ nonce, verb, ...words }), checks: '' };
    }
    const passes = guest.tree.startsWith('good');
    const results = spec.checks.map((c) => ({
      id: c.id,
      exitCode: passes ? 0 : 1,
      timedOut: false,
      ms: 5,
      passed: passes,
      tail: 't',
    }));
    return {
      ...base,
      tree: null,
      signal: '',
      checks: dice.chance(0.03) ? '{"id":' : results.map((r) => JSON.stringify(r)).join('\n'),
    };
  }

  function apply(guest: FakeGuest, job: FakeJob): void {
    if (job.tree === null || job.boot !== guest.boot || clock.now() < (job.killedAt ?? job.endsAt)) return;
    guest.tree = job.tree;
    job.tree = null;
  }

  return { guests, startedJobs, lost };
}

export type { Driver };
