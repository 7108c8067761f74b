import type { AgentAdapter } from '../../src/agents/agent.ts';
import { createFakeDriver } from '../../src/drivers/fake/driver.ts';
import { createFakeWorld, type FakeWorld } from '../../src/drivers/fake/world.ts';
import { sha256 } from '../../src/lib/digest.ts';
import type { Log } from '../../src/lib/log.ts';
import { createControl } from '../../src/reconcile/control.ts';
import type { Runner } from '../../src/reconcile/runner.ts';
import { openDatabase } from '../../src/store/open.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { config, fleetName } from './config.ts';
import { createFakeRepository, type FakeRepository } from './fake-changes.ts';
import { createFakeGateway, type FakeGateway } from './fake-gateway.ts';
import { createFakeGuests } from './fake-guests.ts';
import { type Faults, type Incarnation, noFaults, withCrashes, withFaults } from './incarnation.ts';
import { checkAlways, checkAtEnd } from './invariants.ts';
import { createPerson } from './person.ts';
import { createDice, type Dice } from './random.ts';
import { createVirtualClock, type VirtualClock } from './virtual-clock.ts';

export interface Outcome {
  seed: number;
  violations: string[];
  trace: string[];
  crashes: number;
  steps: number;
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
  startedJobs: Map<string, number>;
  files: Map<string, Uint8Array>;
  capacity: number;
  trace: string[];
  violations: string[];
}

const chaosMs = 4 * 60_000;
const maxVirtualMs = 48 * 3_600_000;
const maxTimers = 30_000;

/** One whole schedule: tasks, faults, a person, crashes; then calm, until every task has come to rest. */
export async function simulate(seed: number, withTrace = false): Promise<Outcome> {
  const clock = createVirtualClock();
  const dice = createDice(seed);
  const database = openDatabase(':memory:');
  const store = createStore({ db: database, clock });
  const trace: string[] = [];
  const start = clock.now();
  const hypervisor = createFakeWorld({ clock, random: dice });
  const repository = createFakeRepository();
  const gateway = createFakeGateway(dice, () => clock.now());
  const fakeGuests = createFakeGuests({
    world: hypervisor,
    clock,
    dice,
    treeOf: repository.treeOf,
    bundles: repository.bundles,
  });
  const world: SimWorld = {
    clock,
    dice,
    store,
    hypervisor,
    repository,
    gateway,
    startedJobs: fakeGuests.startedJobs,
    files: new Map(),
    capacity: dice.between(2, 5),
    trace,
    violations: [],
  };
  const chaos: Faults = {
    crash: dice.pick([0, 0.002, 0.01]),
    errorBefore: dice.pick([0, 0.01, 0.05]),
    lostReply: dice.pick([0, 0.01, 0.05]),
    slow: dice.pick([0, 0.02]),
  };
  let isCalm = false;
  let crashes = 0;
  const note = (what: string) => void (withTrace && trace.push(`${clock.now() - start} ${what}`));
  if (withTrace) store.events.onChange(() => noteEvents(world, note));
  let runner: Runner = born();

  function born(): Runner {
    const life: Incarnation = { dead: false, onCrash: () => crashed() };
    const using = { life, clock, dice, faults: () => (isCalm ? noFaults : chaos), note };
    const control = createControl({
      store: withCrashes(store, using),
      clock: { now: clock.now, sleep: (ms, signal) => (life.dead ? new Promise(() => {}) : clock.sleep(ms, signal)) },
      random: dice,
      log: traceLog(note),
      config: () => config,
      driver: withFaults(createFakeDriver({ world: hypervisor, fleet: fleetName }), 'driver', using),
      guests: withFaults(fakeGuests.guests, 'guests', using),
      changes: withFaults(repository.changes, 'changes', using),
      images: withFaults(images, 'images', using),
      gateway: withFaults(gateway.port, 'gateway', using),
      runs: runFiles(world),
      agent: () => adapter,
      prompts: { implementer: () => 'p', reviewer: () => 'p' },
      authorizedKey: 'ssh-ed25519 AAAA sim',
      tokenOf: (iteration) => `rft_${sha256(iteration).slice(0, 32)}`,
      preparedPath: (key) => `/prepared/${key}`,
      incomingPath: (iteration) => `/incoming/${iteration}`,
      readSettings: async (project) => project.settings,
      notify: async () => {},
      capacity: () => world.capacity,
      accel: () => 'tcg',
      pause: { busyMs: 3_000, idleMs: 15_000 },
    });
    control.runner.start();
    return control.runner;
  }

  function crashed(): void {
    crashes++;
    void clock.sleep(dice.between(10, 5_000)).then(() => {
      runner = born();
    });
  }

  const person = createPerson(world, () => runner.nudge());
  person.begin();
  let steps = 0;
  while (steps < maxTimers && clock.now() - start < maxVirtualMs && world.violations.length === 0) {
    if (!(await clock.step())) break;
    steps++;
    checkAlways(world);
    if (!isCalm && clock.now() - start > chaosMs) {
      isCalm = true;
      person.calm();
      note('calm');
    }
    if (isCalm && person.isDone()) break;
  }
  checkAtEnd(world);
  void runner.stop(0);
  database.close();
  return { seed, violations: world.violations, trace, crashes, steps, virtualMs: clock.now() - start };
}

function noteEvents(world: SimWorld, note: (what: string) => void): void {
  for (const event of world.store.events.after(lastSeen.get(world.store) ?? 0, 1000)) {
    note(`${event.subject} ${event.kind} ${event.text}`);
    lastSeen.set(world.store, event.seq);
  }
}
const lastSeen = new WeakMap<Store, number>();

/** The runner's log lines stand in the trace. */
function traceLog(note: (what: string) => void): Log {
  const line = (fields: unknown, message?: string) => {
    const { step, key, reason, err } = fields as { step?: string; key?: string; reason?: string; err?: Error };
    note(`  ${message} ${step ?? ''} ${key ?? ''} ${reason ?? ''} ${err?.message ?? ''}`);
  };
  const log = { debug: line, info: line, warn: line, error: line, child: () => log };
  return log as unknown as Log;
}

const images = {
  name: 'debian' as const,
  probe: async () => ({ available: true, problems: [] }),
  key: async () => 'imagekey00000000',
  build: async () => ({
    key: 'imagekey00000000',
    path: '/images/x.qcow2',
    boot: null,
    contract: { contract: 1, image: 'x', builder: 'debian', tools: {} },
  }),
};

const adapter: AgentAdapter = {
  name: 'sim',
  command: () => ({ argv: ['agent'], env: {}, files: [], paneFilter: '.' }),
  parser: () => ({
    push: () => [],
    end: () => [],
    summary: () => ({ result: null, doing: null, lines: 1, garbageLines: 0, rateLimitedUntil: null }),
  }),
  judge: (exit) =>
    exit.exitCode === 0 ? { outcome: 'done', reason: 'ended' } : { outcome: 'killed', reason: 'killed' },
};

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
