import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { watchRunner } from '../../src/daemon/counting.ts';
import type { RunnerWatch } from '../../src/reconcile/runner.ts';
import { openDatabase } from '../../src/store/open.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { timeCall } from '../../src/telemetry/call-times.ts';
import { countGas } from '../../src/telemetry/count-gas.ts';
import { createRowCounter } from '../../src/telemetry/count-rows.ts';
import { fillFleet, fillGateway } from '../../src/telemetry/fill-fleet.ts';
import { fillHost } from '../../src/telemetry/fill-host.ts';
import { fillLogs } from '../../src/telemetry/fill-logs.ts';
import { fillSpans } from '../../src/telemetry/fill-spans.ts';
import { createTotals } from '../../src/telemetry/fill-totals.ts';
import { fillWork } from '../../src/telemetry/fill-work.ts';
import type { LogFigures } from '../../src/telemetry/logs/figures.ts';
import { createMeters, type Meters } from '../../src/telemetry/meters.ts';
import { simulate } from '../simulation/simulate.ts';
import { createVirtualClock } from '../simulation/virtual-clock.ts';
import { anIteration, aProject, aTask, aVm, config } from './rows.ts';

/** What a daemon serves to Prometheus, without one: the same counters, filled by the simulation and by rows as they are amid work. */
export interface MeasuredFleet extends AsyncDisposable {
  /** host:port. */
  target: string;
  scrapes(): number;
  /** A whole simulated fleet does its tasks; what it does is counted. */
  work(): Promise<void>;
}

export async function createMeasuredFleet(): Promise<MeasuredFleet> {
  const meters = createMeters({
    only: () => true,
    withProcess: true,
    onError: (error) => {
      throw error;
    },
  });
  const began = Date.now();
  const store = createStore({ db: openDatabase(':memory:'), clock: createVirtualClock(began) });
  const watch = watchRunner(meters);
  let used = 0.2;
  meters.addSource(createTotals(store.tallies.all));
  meters.addSource((put) => fillWork(put, amidWork(began)));
  meters.addSource((put) => fillFleet(put, seen(began)));
  meters.addSource((put) => fillGateway(put, gatewaySeen(used)));
  meters.addSource((put) => fillLogs(put, logsSeen(used)));
  meters.addSource((put) => fillSpans(put, 'daemon', spans));
  const [state, file] = [tmpdir(), `${tmpdir()}/none`];
  meters.addSource((put) => fillHost(put, { state, cache: state, fleetDb: import.meta.filename, gasDb: file }));
  let scrapes = 0;
  const server = createServer((req, res) => {
    scrapes++;
    used += 0.001;
    void meters
      .scrape(req.headers.accept ?? '')
      .then(({ type, text }) => res.writeHead(200, { 'content-type': type }).end(text));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    scrapes: () => scrapes,
    async work() {
      await play(meters, store.tallies.add, watch);
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      store.close();
    },
  };
}

async function play(meters: Meters, add: Store['tallies']['add'], watch: RunnerWatch): Promise<void> {
  let at = 0;
  const { violations } = await simulate(3, {
    measure: {
      watch,
      begin(store) {
        const rows = createRowCounter({ add, meters, now: () => at });
        const on =
          <R extends { since?: number }>(count: (row: R, before: R | null) => void) =>
          (row: R, before: R | null) => {
            at = Math.max(at, row.since ?? 0);
            count(row, before);
          };
        store.tasks.onWrite(on(rows.task));
        store.vms.onWrite(on(rows.vm));
        store.iterations.onWrite(rows.iteration);
        store.checkRuns.onWrite(rows.checkRun);
        store.reviews.onWrite(rows.review);
        store.approvals.onWrite(rows.approval);
      },
      end() {},
    },
  });
  if (violations.length > 0) throw new Error(violations[0]);
  const metered = {
    at: 0,
    role: 'implementer',
    input: 900,
    output: 400,
    cacheRead: 5000,
    cacheWrite: 300,
    isKnown: true,
  } as const;
  const call = {
    model: 'claude-sonnet-5',
    usd: 0.4,
    imputedUsd: 0,
    calls: 1,
    refused: null,
    fault: null,
    flags: [],
    metered,
  };
  const gas = { add, models: new Set<string>() };
  countGas(gas, call, { endedAt: null });
  const time = timeCall(meters, 'anthropic', () => Date.now());
  time.sent();
  time.answered();
  time.ended();
  watch.step('build_image', 'failed', 2_000);
}

const amidWork = (began: number) => ({
  now: Date.now(),
  projects: [aProject()],
  tasks: [
    aTask({ id: 'T1', phase: 'implementing', since: began }),
    aTask({ id: 'T2', phase: 'awaiting_approval', since: began - 90_000 }),
    aTask({ id: 'T3', phase: 'needs_input', since: began - 30_000 }),
  ],
  ralphs: [
    { name: 'implementer-1', role: 'implementer', task: 'T1', vm: null, since: began } as const,
    { name: 'reviewer-1', role: 'reviewer', task: null, vm: null, since: began } as const,
  ],
  iterations: [anIteration({ task: 'T1', phase: 'running', lastOutputAt: began, savedAt: began })],
  vms: [aVm({ phase: 'ready', since: began, desired: 'ready' })],
  flags: 1,
});

const seen = (began: number) =>
  ({
    now: Date.now(),
    version: '1',
    since: began,
    config,
    desire: 'up',
    isPaused: false,
    driver: { name: 'fake', wall: 'device', accel: 'tcg' },
    capacity: 3,
    pass: {
      at: Date.now(),
      isDriverUp: true,
      unknownVms: 0,
      unknownGuests: 0,
      templates: 1,
      credentials: [{ provider: 'anthropic', state: 'present' }],
    },
    stepsRunning: 1,
    stepsFailing: ['startVm'],
    problems: [],
    events: 5,
    limits: [],
    windows: [{ provider: 'anthropic', window: '5h', usedRatio: 0.4, until: Date.now() + 3_600_000 }],
  }) as unknown as Parameters<typeof fillFleet>[1];

function gatewaySeen(used: number): Parameters<typeof fillGateway>[1] {
  const amounts = (usd: number) => ({ usd, tokens: usd * 1000, calls: usd });
  const limit = { usd: 10, tokens: 10_000, calls: 10 };
  const levels = ['fleet', 'project:p'].map((node) => ({
    node,
    until: null,
    limit,
    settled: amounts(used * 10),
    reserved: amounts(0.1),
  }));
  return { openCalls: 1, tunnels: [{ state: 'connected' }], levels, spans };
}

const spans = { exported: 9, dropped: { full: 0, refused: 0, ended: 0 }, compared: { same: 2, differs: 0 } };

const logsSeen = (used: number): LogFigures => ({
  ...{ state: 'sending', since: 0, why: null, lastTakenAt: null, shippedBytes: used * 1e6 },
  shippedLines: { daemon: Math.floor(used * 1e4), console: 7 },
  droppedLines: { cap: 0, too_old: 0, rejected: 0 },
  pushFailures: { refused: 0, overloaded: 0, error: 0, unreachable: 0 },
  ...{ backlogBytes: 77, lagMs: { daemon: 1500 } },
});
