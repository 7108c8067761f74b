import { budgetNode, fleetNode } from '../domain/budget.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import type { InboxItem } from '../domain/inbox-item.ts';
import { parseListen } from '../domain/listen.ts';
import type { Clock } from '../lib/clock.ts';
import { formatError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';
import type { SettledCall } from '../loop/ports.ts';
import type { Live, LiveProblem } from '../queries/deps.ts';
import type { Control } from '../reconcile/control.ts';
import type { RunnerWatch } from '../reconcile/runner.ts';
import type { Store } from '../store/store.ts';
import { alertItem, createAlerts, type Firing } from '../telemetry/alerts.ts';
import { countGas } from '../telemetry/count-gas.ts';
import { type FleetSeen, fillFleet, fillGateway, type GatewaySeen } from '../telemetry/fill-fleet.ts';
import { fillHost } from '../telemetry/fill-host.ts';
import { createTotals } from '../telemetry/fill-totals.ts';
import { fillWork } from '../telemetry/fill-work.ts';
import { createMetricsListener } from '../telemetry/listener.ts';
import { createMeters, type Meters } from '../telemetry/meters.ts';
import { isGatewaysOwn } from '../telemetry/metrics.ts';
import { countWrites, watchRunner } from './counting.ts';
import type { GatewayProcess } from './gateway-process.ts';

export interface MetricsDeps {
  store: Store;
  clock: Clock;
  log: Log;
  paths: Pick<Paths, 'state' | 'cache' | 'fleetDb' | 'gasDb'>;
  version: string;
  config: () => FleetConfig;
  capacity: () => number;
  control: () => Control;
  live: () => Live;
  look: GatewayProcess['look'];
  notify: (item: InboxItem) => Promise<void>;
}

/** The daemon's figures: what counts them, what fills them at a scrape, and where they are served. */
export interface DaemonMetrics {
  meters: Meters;
  watch: RunnerWatch;
  onSettled(call: SettledCall): void;
  /** Listens where the configuration says, from now on. */
  take(config: FleetConfig): Promise<void>;
  /** What people should see: nobody listens, alerts that fire. */
  problems(): LiveProblem[];
  scrape(accept: string): Promise<{ type: string; text: string }>;
  close(): Promise<void>;
}

export function createDaemonMetrics(deps: MetricsDeps): DaemonMetrics {
  const { store, clock, log } = deps;
  const onError = (error: unknown) => log.warn({ err: formatError(error) }, 'a metric could not be read');
  const meters = createMeters({ only: (name) => !isGatewaysOwn(name), withProcess: true, onError });
  let gateway: GatewaySeen | null = null;
  addSources();
  countWrites(store, meters, clock.now);
  const models = new Set(store.tallies.all().flatMap(({ labels }) => labels['model'] ?? []));
  const alerts = createAlerts({ clock, onBegin: (alert) => void tell(alert) });
  const listener = createMetricsListener({ scrape, takeAlerts: alerts.take, clock, log });

  async function scrape(accept: string) {
    const nodes = [fleetNode, ...store.alive.projects.rows().map(({ name }) => budgetNode('project', name))];
    const looked = await deps.look(nodes);
    gateway = looked;
    return meters.scrape(accept, (looked?.figures ?? []) as never);
  }

  function addSources(): void {
    const { alive } = store;
    meters.addSource((put) =>
      fillWork(put, {
        now: clock.now(),
        projects: alive.projects.rows(),
        tasks: alive.tasks.rows(),
        ralphs: alive.ralphs.rows(),
        iterations: alive.iterations.rows(),
        vms: alive.vms.rows(),
        flags: alive.flags.rows().length,
      }),
    );
    meters.addSource((put) => fillFleet(put, fleetSeen(deps)));
    meters.addSource((put) => fillGateway(put, gateway));
    meters.addSource((put) => fillHost(put, deps.paths));
    meters.addSource(createTotals(store.tallies.all));
  }

  /** Told once for as long as it fires, over restarts too. */
  async function tell(alert: Firing): Promise<void> {
    if (store.wasPinged(alert.id)) return;
    store.tx(() => {
      store.markPinged(alert.id);
      store.tallies.add('alerts_received_total', { severity: alert.severity }, 1);
      store.events.add('alert', 'fleet', `${alert.name}: ${alert.summary}`);
    });
    await deps.notify(alertItem(alert)).catch((error: unknown) => {
      log.warn({ err: formatError(error), alert: alert.name }, 'a ping for an alert could not be sent');
    });
  }

  return {
    meters,
    scrape,
    watch: watchRunner(meters),
    onSettled: (call) => countGas({ add: store.tallies.add, models }, call, store.iterations.get(call.iteration)),
    take: ({ metrics: wanted }) => listener.take(wanted === null ? null : parseListen(wanted.listen)),
    problems() {
      const problem = listener.problem();
      return [...(problem === null ? [] : [listenerProblem(problem)]), ...alerts.firing().flatMap(alertProblem)];
    },
    close: () => listener.close(),
  };
}

function listenerProblem({ what, since }: { what: string; since: number }): LiveProblem {
  const remedy =
    'Set another port in fleet.yaml (metrics.listen), then `ralph-fleet up`; where `telemetry up` chose it, run that again; or end that program: it is tried again.';
  return { id: 'metrics', what, since, remedy, vm: null, severity: 'warning' };
}

function alertProblem({ id, severity, summary, action, since }: Firing): LiveProblem[] {
  if (severity === 'info') return [];
  const problem = { id, what: summary, since, remedy: action, vm: null };
  return [{ ...problem, severity: severity === 'critical' ? 'error' : 'warning' }];
}

function fleetSeen(deps: MetricsDeps): FleetSeen {
  const { store, clock, config } = deps;
  const { runner, usageWindows } = deps.control();
  const live = deps.live();
  const { desire, paused } = store.fleet();
  return {
    now: clock.now(),
    version: deps.version,
    since: live.since,
    config: config(),
    desire,
    isPaused: paused,
    driver: live.driver(),
    capacity: deps.capacity(),
    pass: passOf(runner),
    stepsRunning: runner.underWay().length,
    stepsFailing: runner.failures().map(({ step }) => step.kind),
    problems: live.problems(),
    events: store.events.last(),
    limits: store.alive.limits.rows(),
    windows: usageWindows(),
  };
}

function passOf(runner: Control['runner']): FleetSeen['pass'] {
  const last = runner.lastPass();
  if (last === null) return null;
  const { driver, guests, templates, credentials } = last.world.observed;
  return {
    at: last.at,
    isDriverUp: driver.ok,
    unknownVms: driver.ok ? [...driver.vms.values()].filter(({ state }) => state === 'unknown').length : 0,
    unknownGuests: [...guests.values()].filter(({ ok }) => !ok).length,
    templates: templates?.size ?? 0,
    credentials: [...(credentials?.values() ?? [])],
  };
}
