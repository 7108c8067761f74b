import { type Amounts, budgetUnits, parseNode } from '../domain/budget.ts';
import type { CredentialLook } from '../domain/credential.ts';
import type { FleetConfig, FleetDesire } from '../domain/fleet.ts';
import type { KnownLimit, UsageWindow } from '../domain/usage-limit.ts';
import { fillSpans } from './fill-spans.ts';
import type { Put } from './meters.ts';
import { metrics } from './metrics.ts';
import type { Counts } from './traces/queue.ts';

export interface FleetSeen {
  now: number;
  version: string;
  since: number;
  config: FleetConfig;
  desire: FleetDesire;
  isPaused: boolean;
  driver: { name: string; wall: string | null; accel: string | null };
  capacity: number;
  /** Of the newest pass; null before the first. */
  pass: {
    at: number;
    isDriverUp: boolean;
    unknownVms: number;
    unknownGuests: number;
    templates: number;
    credentials: readonly CredentialLook[];
  } | null;
  stepsRunning: number;
  /** Their kinds. */
  stepsFailing: readonly string[];
  problems: readonly { severity: 'error' | 'warning' }[];
  /** The number of the newest event. */
  events: number;
  limits: readonly KnownLimit[];
  windows: readonly UsageWindow[];
}

/** What the daemon knows beyond the rows of what goes on. */
export function fillFleet(put: Put, seen: FleetSeen): void {
  const { config, driver, pass } = seen;
  put.set('build_info', { version: seen.version, node: process.version }, 1);
  const { wall, accel } = driver;
  put.set('info', { name: config.name, driver: driver.name, wall: wall ?? 'unknown', accel: accel ?? 'unknown' }, 1);
  for (const desire of metrics.desired.labels.desire) put.set('desired', { desire }, Number(seen.desire === desire));
  put.set('paused', {}, Number(seen.isPaused));
  put.set('start_timestamp_seconds', {}, seen.since / 1000);
  put.set('vm_capacity', {}, seen.capacity);
  put.total('events_total', {}, seen.events);
  put.set('steps_running', {}, seen.stepsRunning);
  for (const step of new Set(seen.stepsFailing)) {
    put.set('steps_failing', { step }, seen.stepsFailing.filter((kind) => kind === step).length);
  }
  for (const severity of metrics.problems.labels.severity) {
    put.set('problems', { severity }, seen.problems.filter((problem) => problem.severity === severity).length);
  }
  if (pass !== null) fillPass(put, pass);
  fillUsage(put, seen);
}

function fillPass(put: Put, pass: NonNullable<FleetSeen['pass']>): void {
  put.set('last_pass_timestamp_seconds', {}, pass.at / 1000);
  put.set('driver_up', {}, Number(pass.isDriverUp));
  put.set('unknown', { kind: 'vm' }, pass.unknownVms);
  put.set('unknown', { kind: 'guest' }, pass.unknownGuests);
  put.set('templates', {}, pass.templates);
  for (const { provider, state } of pass.credentials) {
    put.set('credential_usable', { provider }, Number(state === 'present'));
  }
}

/** The provider names its windows: no more than these. */
const maxWindows = 10;

function fillUsage(put: Put, { limits, windows, now }: FleetSeen): void {
  const { provider: providers, cause: causes } = metrics.usage_limits.labels;
  const holding = limits.filter((limit) => !limit.lifted && now < limit.until);
  for (const provider of providers) {
    for (const cause of causes) {
      const these = holding.filter((limit) => limit.provider === provider && limit.cause === cause);
      put.set('usage_limits', { provider, cause }, these.length);
    }
  }
  for (const { provider, window, usedRatio, until } of windows.slice(0, maxWindows)) {
    const labels = { provider, window: window.slice(0, 40) };
    put.set('usage_window_used_ratio', labels, usedRatio);
    put.set('usage_window_reset_timestamp_seconds', labels, until / 1000);
  }
}

/** What the gateway says of itself and of the budgets it keeps. */
export interface GatewaySeen {
  openCalls: number;
  tunnels: readonly { state: 'connected' | 'connecting' | 'failed' }[];
  levels: readonly {
    node: string;
    until: number | null;
    limit: Record<keyof Amounts, number | null>;
    settled: Amounts;
    reserved: Amounts;
  }[];
  spans: Counts & { compared: Readonly<Record<'same' | 'differs', number>> };
}

/** `seen`: null while the gateway does not answer. */
export function fillGateway(put: Put, seen: GatewaySeen | null): void {
  put.set('gateway_up', {}, Number(seen !== null));
  if (seen === null) return;
  put.set('gateway_open_calls', {}, seen.openCalls);
  for (const state of metrics.gateway_tunnels.labels.state) {
    put.set('gateway_tunnels', { state }, seen.tunnels.filter((tunnel) => tunnel.state === state).length);
  }
  for (const level of seen.levels) fillLevel(put, level);
  fillSpans(put, 'gateway', seen.spans);
  for (const result of ['same', 'differs'] as const)
    put.lived('agent_usage_compared_total', { result }, seen.spans.compared[result]);
}

function fillLevel(put: Put, { node, limit, settled, reserved }: GatewaySeen['levels'][number]): void {
  const { kind: scope, name } = parseNode(node);
  const labels = { scope, name };
  for (const unit of budgetUnits) {
    const most = limit[unit];
    if (most !== null) put.set('budget_used_ratio', { ...labels, unit }, (settled[unit] + reserved[unit]) / most);
  }
  for (const unit of ['usd', 'tokens'] as const) {
    const most = limit[unit];
    if (most !== null) put.set(`budget_${unit}_limit`, labels, most);
    put.set(`budget_${unit}_settled`, labels, settled[unit]);
    put.set(`budget_${unit}_reserved`, labels, reserved[unit]);
  }
}
