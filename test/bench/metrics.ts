import { countWrites, watchRunner } from '../../src/daemon/counting.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import type { ControlDeps } from '../../src/reconcile/control.ts';
import { openDatabase } from '../../src/store/open.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { countGas } from '../../src/telemetry/count-gas.ts';
import { fillFleet, fillGateway } from '../../src/telemetry/fill-fleet.ts';
import { fillHost } from '../../src/telemetry/fill-host.ts';
import { createTotals } from '../../src/telemetry/fill-totals.ts';
import { fillWork } from '../../src/telemetry/fill-work.ts';
import { createMetricsListener } from '../../src/telemetry/listener.ts';
import { createMeters, type Meters } from '../../src/telemetry/meters.ts';
import { isGatewaysOwn } from '../../src/telemetry/metrics.ts';
import { simulate } from '../simulation/simulate.ts';
import { createVirtualClock } from '../simulation/virtual-clock.ts';
import { freePort } from '../support/prometheus.ts';
import { anIteration, aProject, aTask, aVm, config, now } from '../support/rows.ts';
import { against, type Bench, type Result, single, spread } from './result.ts';

const ralphs = 1000;
const spans = { exported: 0, dropped: { full: 0, refused: 0, ended: 0 }, compared: { same: 0, differs: 0 } };
const rounds = 50;
const schedules = 60;

/** A scrape of a large fleet over its listener; and what counting costs the controller: the same schedules with it and without. */
export const metrics: Bench = async (say) => {
  const results = [...(await scrapes()), ...(await counting())];
  for (const { name, value, unit, vs } of results)
    say(`metrics: ${name}: ${value} ${unit}${vs ? ` (${vs.ratio}×)` : ''}`);
  return results;
};

function metersOf(): Meters {
  const onError = (error: unknown) => {
    throw error;
  };
  return createMeters({ only: (name) => !isGatewaysOwn(name), withProcess: true, onError });
}

async function scrapes(): Promise<Result[]> {
  const clock = createVirtualClock(now);
  const store = createStore({ db: openDatabase(':memory:'), clock });
  fill(store);
  const meters = metersOf();
  addSources(meters, store);
  const at = { host: '127.0.0.1', port: await freePort() };
  const deps = { scrape: meters.scrape, takeAlerts: () => {}, clock, log: createSilentLog() };
  const listener = createMetricsListener(deps);
  await listener.take(at);
  const ask = async () => (await fetch(`http://${at.host}:${at.port}/metrics`)).text();
  let bytes = 0;
  const taken: number[] = [];
  const twice: number[] = [];
  try {
    for (let round = 0; round < rounds + 5; round++) {
      let began = performance.now();
      bytes = (await ask()).length;
      if (round >= 5) taken.push(performance.now() - began); // the first are compiled
      began = performance.now();
      await Promise.all([ask(), ask()]);
      if (round >= 5) twice.push(performance.now() - began);
    }
  } finally {
    await listener.close();
    store.close();
  }
  return [
    spread(`a scrape with ${ralphs} Ralphs`, 'ms', taken),
    spread('two scrapes at once', 'ms', twice),
    single('size of a scrape', 'MiB', bytes / 1024 ** 2),
  ];
}

function fill(store: Store): void {
  store.tx(() => {
    for (let n = 0; n < 20; n++) store.projects.insert(aProject({ name: `p${n}` }));
    for (let n = 0; n < ralphs; n++) {
      const [task, ralph] = [`T${n}`, `implementer-${n}`];
      store.tasks.insert(aTask({ id: task, project: `p${n % 20}`, phase: 'implementing', ralph }));
      store.ralphs.insert({ name: ralph, role: 'implementer', task, vm: null, since: now });
      store.iterations.insert(anIteration({ id: `it-${n}`, task, ralph, phase: 'running', lastOutputAt: now - n }));
      store.vms.insert(aVm({ id: n.toString(16).padStart(8, '0'), task, ralph, phase: 'ready' }));
    }
    for (let n = 0; n < 50; n++) {
      for (const type of ['input', 'output', 'cache_read', 'cache_write'])
        store.tallies.add('model_tokens_total', { model: `m${n}`, role: 'implementer', type }, n + 1);
    }
  });
}

/** As the daemon adds them. */
function addSources(meters: Meters, store: Store): void {
  const { alive } = store;
  meters.addSource((put) =>
    fillWork(put, {
      now,
      projects: alive.projects.rows(),
      tasks: alive.tasks.rows(),
      ralphs: alive.ralphs.rows(),
      iterations: alive.iterations.rows(),
      vms: alive.vms.rows(),
      flags: 0,
    }),
  );
  const driver = { name: 'fake', wall: 'device', accel: 'kvm' };
  const head = {
    now,
    version: '0',
    since: now,
    config,
    desire: 'up',
    isPaused: false,
    driver,
    capacity: ralphs,
  } as const;
  const rest = { pass: null, stepsRunning: 9, stepsFailing: [], problems: [], events: 9, limits: [], windows: [] };
  meters.addSource((put) => fillFleet(put, { ...head, ...rest }));
  meters.addSource((put) => fillGateway(put, { openCalls: 9, tunnels: [], levels: [], spans }));
  const none = '/nowhere';
  meters.addSource((put) => fillHost(put, { state: '/', cache: '/', fleetDb: none, gasDb: none }));
  meters.addSource(createTotals(store.tallies.all));
}

async function counting(): Promise<Result[]> {
  // One, as a daemon has: each watches the event loop and the collector of garbage of its process.
  const meters = metersOf();
  const spent = { off: 0, on: 0 };
  let iterations = 0;
  for (let seed = 1; seed <= schedules; seed++) {
    for (const which of seed % 2 === 0 ? (['off', 'on'] as const) : (['on', 'off'] as const)) {
      const counter = which === 'on' ? createCounter(meters) : null;
      let began = process.cpuUsage();
      let used = began;
      const played = await simulate(seed, {
        measure: {
          ...counter?.hooks,
          begin: (store) => {
            counter?.begin(store);
            began = process.cpuUsage();
          },
          end: () => {
            used = process.cpuUsage(began);
          },
        },
      });
      if (played.violations.length > 0) throw new Error(`seed ${seed}: ${played.violations[0]}`);
      if (seed <= schedules / 10) continue; // the first are compiled
      spent[which] += (used.user + used.system) / 1e3;
      if (which === 'on') iterations += played.iterations;
    }
  }
  const off = single('cpu of an iteration, not counted', 'ms', spent.off / iterations, iterations);
  return [against(single('cpu of an iteration, counted', 'ms', spent.on / iterations, iterations), off), off];
}

/** What the daemon hangs on its store and its controller. */
function createCounter(meters: Meters) {
  let store: Store | null = null;
  const hooks: Pick<ControlDeps, 'watch' | 'onSettled'> = {
    watch: watchRunner(meters),
    onSettled: (call) => {
      if (store === null) return;
      countGas({ add: store.tallies.add, models: new Set(['m']) }, call, store.iterations.get(call.iteration));
    },
  };
  return {
    hooks,
    begin(given: Store) {
      store = given;
      countWrites(given, meters, () => now);
    },
  };
}
