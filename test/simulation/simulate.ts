import type { AgentAdapter } from '../../src/agents/agent.ts';
import { isReplayOpen } from '../../src/domain/replay.ts';
import type { RunRecord } from '../../src/domain/run-record.ts';
import type { Driver } from '../../src/drivers/driver.ts';
import { createFakeDriver } from '../../src/drivers/fake/driver.ts';
import { createFakeWorld, type FakeWorld } from '../../src/drivers/fake/world.ts';
import type { ImageBuilder } from '../../src/images/builder.ts';
import { sha256 } from '../../src/lib/digest.ts';
import { FleetError } from '../../src/lib/errors.ts';
import type { Log } from '../../src/lib/log.ts';
import { type Control, type ControlDeps, createControl } from '../../src/reconcile/control.ts';
import type { Plan } from '../../src/reconcile/plan/step.ts';
import type { World } from '../../src/reconcile/plan/world.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { config, fleetName } from './config.ts';
import { giveBackDatabase, takeDatabase } from './database.ts';
import { createFakeRepository, type FakeRepository } from './fake-changes.ts';
import { createFakeGateway, type FakeGateway } from './fake-gateway.ts';
import { createFakeGuests } from './fake-guests.ts';
import { createFakeHost, type FakeHost } from './fake-host.ts';
import { type Faults, type Incarnation, never, noFaults, withCrashes, withFaults } from './incarnation.ts';
import { checkAlways, checkAtEnd, checkRemembered } from './invariants.ts';
import { watchLimits } from './limit-watch.ts';
import { createPerson } from './person.ts';
import { createDice, type Dice } from './random.ts';
import { createVirtualClock, type VirtualClock } from './virtual-clock.ts';

export interface Outcome {
  seed: number;
  violations: string[];
  trace: string[];
  crashes: number;
  /** Times a VM that could not be brought back took unsaved work with it. */
  lostWithVm: number;
  steps: number;
  /** All that stand in the store at the end. */
  iterations: number;
  virtualMs: number;
}

/** Everything that outlives a crash of the daemon. */
export interface SimWorld {
  clock: VirtualClock;
  dice: Dice;
  store: Store;
  hypervisor: FakeWorld;
  repository: FakeRepository;
  gateway: FakeGateway;
  files: Map<string, Uint8Array>;
  records: Map<string, RunRecord>;
  capacity: number;
  host: FakeHost;
  trace: string[];
  violations: string[];
  /** Until when a port (`gateway`, `driver`, …) or the host's disk (`storage`) is away. */
  away: Map<string, number>;
  /** A VM, or with null the whole host, goes down without a word. */
  takeDown(id: string | null): void;
  /** A guest does not answer for a while, or until it is started again. */
  silence(id: string, ms: number): void;
  look(): ReturnType<Control['look']>;
  /** The VM that was undefined once all other trouble was over. */
  undefinedVm: string | null;
  /** A VM of somebody else is on the host. */
  foreign: boolean;
}

/** Most schedules are short: trouble comes early in a task's life; some go on for longer. */
const chaosLengths = [45_000, 60_000, 90_000, 240_000];
const maxVirtualMs = 48 * 3_600_000;
const maxTimers = 30_000;

export interface SimOptions {
  withTrace?: boolean;
  /** A broken planner, to prove that the simulation notices. */
  planner?: (world: World) => Plan;
  /** For measuring: no faults, and nothing is checked but that it comes to rest. */
  measure?: { begin(store: Store): void; end(): void; log?: Log } & Pick<ControlDeps, 'watch' | 'onSettled'>;
}

/** One whole schedule: tasks, faults, a person, crashes; then calm, until every task has come to rest. */
export async function simulate(
  seed: number,
  { withTrace = false, planner, measure }: SimOptions = {},
): Promise<Outcome> {
  const clock = createVirtualClock();
  const dice = createDice(seed);
  const database = takeDatabase();
  const store = createStore({ db: database, clock });
  const trace: string[] = [];
  const start = clock.now();
  const hypervisor = createFakeWorld({ clock, random: dice });
  const repository = createFakeRepository({ dice, isCalm: () => isCalm });
  const gateway = createFakeGateway(dice, () => clock.now());
  const fakeGuests = createFakeGuests({
    world: hypervisor,
    clock,
    dice,
    treeOf: repository.treeOf,
    bundles: repository.bundles,
    isCalm: () => isCalm,
    say: gateway.say,
    isSaved: (tree) => repository.savedTrees.has(tree),
    onBroken: (what) => void world.violations.push(what),
  });
  const world: SimWorld = {
    clock,
    dice,
    store,
    hypervisor,
    repository,
    gateway,
    files: new Map(),
    records: new Map(),
    capacity: dice.between(1, 5),
    host: createFakeHost(dice),
    trace,
    violations: [],
    away: new Map(),
    takeDown: (id) => {
      for (const vm of id === null ? hypervisor.vms.keys() : [id]) fakeGuests.freeze(vm);
      if (id === null) hypervisor.restart();
      else hypervisor.kill(id);
    },
    silence: fakeGuests.silence,
    look: () => control.look(),
    undefinedVm: null,
    foreign: false,
  };
  const chaos: Faults = {
    crash: dice.pick([0, 0.002, 0.01]),
    errorBefore: dice.pick([0, 0.01, 0.05]),
    lostReply: dice.pick([0, 0.01, 0.05]),
    slow: dice.pick([0, 0.02]),
    late: 0.5,
    hang: dice.pick([0, 0, 0.005]),
    doubled: dice.pick([0, 0.02]),
  };
  const chaosMs = measure === undefined ? dice.between(20_000, dice.pick(chaosLengths)) : 0;
  let isCalm = measure !== undefined;
  const { watch, onSettled } = measure ?? {};
  const measured = { ...(watch && { watch }), ...(onSettled && { onSettled }) };
  let crashes = 0;
  let lostWithVm = 0;
  const note = (what: string) => void (withTrace && trace.push(`${clock.now() - start} ${what}`));
  if (withTrace) store.events.onChange(() => noteEvents(world, note));
  let life: Incarnation = { dead: true, onCrash: () => {} };
  let control: Control = born();

  function born(): Control {
    const own: Incarnation = { dead: false, onCrash: () => crashed() };
    life = own;
    const isAway = (name: string) => clock.now() < (world.away.get(name) ?? 0);
    const using = {
      life: own,
      clock,
      dice,
      faults: () => (isCalm ? noFaults : chaos),
      isAway,
      note,
      onTakenBack: remembered,
    };
    const made = createControl({
      ...measured,
      store: withCrashes(store, using),
      clock: {
        now: clock.now,
        sleep: (ms, signal) => (own.dead ? never() : clock.sleep(ms, signal)),
        after: (ms, call) => (own.dead ? () => {} : clock.after(ms, call)),
      },
      random: dice,
      log: measure?.log ?? traceLog(note, withTrace),
      config: () => config,
      driver: withFaults(watched(createFakeDriver({ world: hypervisor, fleet: fleetName })), 'driver', using),
      guests: withFaults(fakeGuests.guests, 'guests', using),
      changes: withFaults(repository.changes, 'changes', using),
      images: withFaults(
        createImages(dice, () => isCalm),
        'images',
        using,
      ),
      ...(planner === undefined ? {} : { planner }),
      gateway: withFaults(gateway.port, 'gateway', using),
      runs: runFiles(world),
      records: { write: async (record) => writeRecord(world, record) },
      about: () => ({ fleet: '0', driver: 'fake', hypervisor: null, accel: null }),
      removeDisk: async () => {},
      removeFile: async () => {},
      agent: () => adapter,
      prompts: { implementer: () => 'p', reviewer: () => 'p' },
      authorizedKey: 'ssh-ed25519 AAAA sim',
      tokenOf: (iteration) => `rft_${iteration}`,
      traceOf: () => null,
      preparedPath: (key) => `/prepared/${key}`,
      incomingPath: (iteration) => `/incoming/${iteration}`,
      isThere: async () => true,
      readSettings: async (project) => project.settings,
      notify: async () => {},
      capacity: () => world.capacity,
      accel: () => 'tcg',
      host: async () => world.host.look(),
      ballast: withFaults(world.host.ballast, 'ballast', using),
      pause: { busyMs: 5_000, idleMs: 60_000 },
    });
    made.runner.start();
    return made;
  }

  /** Nothing that holds the only copy of work is removed, but for a VM that could not be brought back. */
  function watched(driver: Driver): Driver {
    return {
      ...driver,
      stop: (id, graceMs) => {
        fakeGuests.freeze(id);
        return driver.stop(id, graceMs);
      },
      snapshot: async (id, snapshot) => {
        const isNew = hypervisor.snapshots.get(snapshot)?.isWhole !== true;
        await driver.snapshot(id, snapshot);
        if (isNew) fakeGuests.keep(id, snapshot);
        checkKept(snapshot);
      },
      create: async (spec) => {
        const isNew = hypervisor.vms.get(spec.id)?.hasDisk !== true;
        await driver.create(spec);
        if (isNew && spec.snapshot) fakeGuests.startFrom(spec.snapshot, spec.id);
      },
      fork: (spec) => {
        if (fakeGuests.isUsed(spec.id)) world.violations.push(`${spec.id} was forked over what was in it`);
        return driver.fork(spec);
      },
      remove: (id) => {
        fakeGuests.freeze(id);
        const tree = fakeGuests.unsaved(id);
        if (tree !== null && hypervisor.vms.has(id)) {
          const hasFailed = store.events.of(`rf-${id}`, 50).some((event) => event.kind === 'vm.failed');
          if (hasFailed && id !== world.undefinedVm) lostWithVm++;
          else world.violations.push(`work was lost: VM ${id} was removed with ${tree}`);
        }
        return driver.remove(id);
      },
    };
  }

  /** A snapshot after an iteration holds what that one's work was saved as. */
  function checkKept(id: string): void {
    const snapshot = store.snapshots.get(id);
    if (snapshot?.why !== 'iteration' || snapshot.commit === null) return;
    const [tree, saved] = [fakeGuests.keptTree(id), repository.treeOf(snapshot.commit)];
    if (tree !== saved) world.violations.push(`the snapshot after ${snapshot.iteration} holds ${tree}, not ${saved}`);
  }

  function crashed(): void {
    crashes++;
    void clock.sleep(dice.between(10, 5_000)).then(() => {
      remembered();
      control = born();
    });
  }

  function remembered(): void {
    checkRemembered(world, database);
  }

  watchLimits(world);
  const person = createPerson(world, () => control.runner.nudge());
  person.begin();
  measure?.begin(store);
  if (measure !== undefined) person.calm();
  let steps = 0;
  while (steps < maxTimers && clock.now() - start < maxVirtualMs && world.violations.length === 0) {
    const settled = clock.step();
    if (settled === null) break;
    await settled;
    steps++;
    if (measure === undefined) checkAlways(world);
    const isReplaying = store.alive.replays.rows().some(isReplayOpen);
    // Replays come late in a task's life: trouble waits for them.
    if (!isCalm && clock.now() - start > (isReplaying ? 4 : 1) * chaosMs) {
      isCalm = true;
      world.away.clear();
      person.calm();
      note('calm');
    }
    if (isCalm && person.isDone()) break;
  }
  if (world.violations.length === 0 && !person.isDone()) world.violations.push('the fleet never came to rest');
  measure?.end();
  if (measure === undefined) checkAtEnd(world);
  const iterations = store.iterations.list().length;
  life.dead = true;
  void control.runner.stop(0);
  await clock.settle();
  giveBackDatabase(database);
  const { violations } = world;
  return { seed, violations, trace, crashes, lostWithVm, steps, iterations, virtualMs: clock.now() - start };
}

function noteEvents(world: SimWorld, note: (what: string) => void): void {
  for (const event of world.store.events.after(lastSeen.get(world.store) ?? 0, 1000)) {
    note(`${event.subject} ${event.kind} ${event.text}`);
    lastSeen.set(world.store, event.seq);
  }
}
const lastSeen = new WeakMap<Store, number>();

/** The runner's log lines stand in the trace. */
function traceLog(note: (what: string) => void, withTrace: boolean): Log {
  const line = (fields: unknown, message?: string) => {
    if (!withTrace) return;
    const { step, key, reason, err } = fields as { step?: string; key?: string; reason?: string; err?: Error };
    note(`  ${message} ${step ?? ''} ${key ?? ''} ${reason ?? ''} ${err?.message ?? ''}`);
  };
  const log = { debug: line, info: line, warn: line, error: line, child: () => log };
  return log as unknown as Log;
}

const createImages = (dice: Dice, isCalm: () => boolean): ImageBuilder => ({
  name: 'debian' as const,
  probe: async () => ({ available: true, problems: [] }),
  key: async () => 'imagekey00000000',
  build: async () => {
    if (!isCalm() && dice.chance(0.2)) throw new FleetError('image_failed', 'fault: the build failed');
    return {
      key: 'imagekey00000000',
      path: '/images/x.qcow2',
      boot: null,
      contract: { contract: 1, image: 'x', builder: 'debian', tools: {} },
    };
  },
});

const adapter: AgentAdapter = {
  name: 'sim',
  provider: 'anthropic',
  mcpTool: (verb) => verb,
  command: () => ({ argv: ['agent'], env: {}, files: [], paneFilter: '.' }),
  parser: () => ({
    push: () => [],
    end: () => [],
    summary: () => ({ result: null, doing: null, lines: 1, garbageLines: 0, rateLimitedUntil: null, mcp: null }),
  }),
  judge: (exit) => {
    if (exit.exitCode === 0) return { outcome: 'done', reason: 'ended' };
    return exit.exitCode === 1
      ? { outcome: 'crashed', reason: 'exit code 1' }
      : { outcome: 'killed', reason: 'killed' };
  },
};

function writeRecord(world: SimWorld, record: RunRecord): string {
  const digest = sha256(JSON.stringify(record));
  world.records.set(digest, record);
  return digest;
}

function runFiles(world: SimWorld) {
  const sizes = world.files;
  return {
    streamSize: async (id: string) => sizes.get(id)?.length ?? 0,
    writeStream: async (id: string, offset: number, bytes: Uint8Array) => {
      const before = sizes.get(id) ?? new Uint8Array();
      if (offset > before.length) world.violations.push(`a hole in the stream of ${id}`);
      sizes.set(id, Buffer.concat([before.subarray(0, offset), bytes]));
    },
    readStream: async (id: string, offset: number, max: number) =>
      (sizes.get(id) ?? new Uint8Array()).subarray(offset, offset + max),
    writeFile: async () => {},
  };
}
