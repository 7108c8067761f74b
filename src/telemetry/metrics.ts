import { providers } from '../domain/credential.ts';
import { iterationOutcomes } from '../domain/iteration.ts';
import { ralphPhases } from '../domain/ralph-phase.ts';
import { refusals } from '../domain/refused.ts';
import { endedPhases, taskPhases } from '../domain/task.ts';
import { limitCauses } from '../domain/usage-limit.ts';
import { readinessStages, vmPhases, vmPurposes } from '../domain/vm.ts';
import { counter, gauge, histogram, type Metric, sometimes } from './metric.ts';

/**
 * The one catalogue of metrics: every name, type, unit, label and its values. `docs/metrics.md` is written from it, dashboards and
 * alerts use nothing else. Totals come from the store and do not fall when the daemon restarts; histograms begin anew with the process.
 */
export const prefix = 'ralph_fleet_';

const roles = ['implementer', 'reviewer'] as const;
const ways = ['boot', 'fork'] as const;
const openPhases = taskPhases.filter(
  (phase) => phase === 'failed' || !(endedPhases as readonly string[]).includes(phase),
);
const project = { boundBy: 'registered projects' } as const;
const scope = ['fleet', 'project'] as const;
const ralph = { boundBy: 'the size of the fleet' } as const;
const model = { boundBy: 'models of the price table, at most 50; else `other`' } as const;
const step = { boundBy: 'kinds of steps in the code' } as const;
const stream = ['daemon', 'gateway', 'iteration', 'console', 'other'] as const;
const toTenSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const toTenMinutes = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600];
const toTwoHours = [10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];
const toAWeek = [60, 300, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400, 259_200, 604_800];
const toFiveMinutes = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300];

const daemon = {
  build_info: gauge('Always 1; what runs', {
    version: { boundBy: 'one value at a time' },
    node: { boundBy: 'one value at a time' },
  }),
  info: gauge('Always 1; what the fleet is', {
    name: { boundBy: 'one value at a time' },
    driver: { boundBy: 'one value at a time' },
    wall: ['device', 'process', 'guest', 'unknown'],
    accel: ['kvm', 'hvf', 'tcg', 'unknown'],
  }),
  desired: gauge('1 for what the fleet is asked to be', { desire: ['up', 'down', 'deleted'] }),
  paused: gauge('1 while the whole fleet is paused', {}),
  start_timestamp_seconds: gauge('When the daemon began', {}, 'seconds'),
  last_pass_timestamp_seconds: gauge('When the last complete pass of the controller ended', {}, 'seconds'),
  passes_total: counter('Passes of the controller', { result: ['ok', 'failed'] }),
  pass_seconds: histogram('Time of a pass', { stage: ['observe', 'plan'] }, toTenSeconds),
  steps_total: counter('Steps of the controller; waits: it found nothing to change yet', {
    step,
    result: ['done', 'waits', 'failed'],
  }),
  step_seconds: histogram('Time of a step', { step }, toTenMinutes),
  steps_running: gauge('Steps under way', {}),
  steps_failing: gauge('Steps whose last try failed', { step }),
  problems: gauge('What is wrong now, as `status` shows it', { severity: ['error', 'warning'] }),
  driver_up: gauge('1 while the driver answers', {}),
  unknown: gauge('VMs and guests that cannot be asked', { kind: ['vm', 'guest'] }),
  events_total: counter('Events of the fleet', {}),
  store_bytes: gauge('Size of the databases', { part: ['fleet', 'fleet-wal', 'gas', 'gas-wal'] }, 'bytes'),
  alerts_received_total: counter('Alerts that Prometheus sent here and that began', {
    severity: ['critical', 'warning', 'info'],
  }),
} as const satisfies Group;

const host = {
  host_memory_size_bytes: gauge('Memory of the host', {}, 'bytes'),
  host_memory_available_bytes: gauge('Memory of the host that can still be taken', {}, 'bytes'),
  host_memory_promised_bytes: gauge('Memory promised to VMs', {}, 'bytes'),
  host_disk_size_bytes: gauge('Size of the file system', { part: ['state', 'cache'] }, 'bytes'),
  host_disk_free_bytes: gauge('Free for the fleet on the file system', { part: ['state', 'cache'] }, 'bytes'),
  host_pressure_seconds_total: sometimes(
    counter(
      'Time in which some (or all) tasks of the host waited for it; Linux only',
      { resource: ['cpu', 'memory', 'io'], kind: ['some', 'full'] },
      'seconds',
    ),
  ),
} as const satisfies Group;

const vm = {
  vms: gauge('VMs that are not gone', { purpose: vmPurposes, phase: vmPhases.filter((phase) => phase !== 'gone') }),
  vm_capacity: gauge('VMs that may hold room at once', {}),
  vm_starts_total: counter('VMs that came to be ready, or did not', { way: ways, result: ['ok', 'failed'] }),
  vm_ready_seconds: histogram('From the first step of a start to ready', { way: ways }, toTenMinutes),
  vm_stage_seconds: histogram(
    'Time of each stage of getting ready',
    { way: ways, stage: readinessStages },
    toFiveMinutes,
  ),
  vm_failures_total: counter('VMs that failed at any time of their life', { purpose: vmPurposes }),
  vm_waiting_oldest_seconds: gauge('How long the oldest VM has not come to ready; 0: none', {}, 'seconds'),
  templates: gauge('Disks that VMs can be forked from', {}),
} as const satisfies Group;

const work = {
  ralphs: gauge('Ralphs', { role: roles, phase: ralphPhases }),
  ralph_phase_code: gauge(`What each Ralph does: ${ralphPhases.map((phase, code) => `${code} ${phase}`).join(', ')}`, {
    ralph,
    role: roles,
  }),
  iterations_running: gauge('Iterations that have not ended', { role: roles }),
  iterations_total: counter('Iterations that ended', { role: roles, outcome: iterationOutcomes }),
  iteration_seconds: histogram('Time of an iteration', { role: roles }, toTwoHours),
  iteration_last_output_timestamp_seconds: gauge(
    'Last output of a running iteration; not there without one',
    { ralph },
    'seconds',
  ),
  unsaved_since_timestamp_seconds: gauge(
    'When the work of a running iteration was last brought to the host, or when it began',
    { ralph },
    'seconds',
  ),
  tasks: gauge('Tasks that have not ended, and failed ones nobody has looked at', { project, phase: openPhases }),
  task_oldest_seconds: gauge('How long the oldest task of a phase is in it; 0: none', { phase: openPhases }, 'seconds'),
  tasks_finished_total: counter('Tasks that came to an end', { project, result: [...endedPhases, 'pr_open'] }),
  task_lead_time_seconds: histogram('From submission to merged', {}, toAWeek),
  task_phase_seconds: histogram('Time tasks spent in a phase, when they left it', { phase: openPhases }, toAWeek),
  checks_total: counter('Runs of a task’s checks', {
    kind: ['baseline', 'loop', 'verify'],
    result: ['passed', 'failed', 'infra'],
  }),
  check_seconds: histogram('Time of a run of checks', { kind: ['baseline', 'loop', 'verify'] }, toTwoHours),
  reviews_total: counter('Reviews that came to an end', { verdict: ['approved', 'changes_requested', 'inconclusive'] }),
  approvals_total: counter('Decisions of people on verified changes', { decision: ['approve', 'reject'] }),
  flags_unseen: gauge('What agents raised as of high importance and nobody has looked at', {}),
} as const satisfies Group;

const gas = {
  model_requests_total: counter('Calls of models that went up', { role: roles, result: ['ok', 'failed'] }),
  model_tokens_total: counter(
    'Tokens as the gateway counted them; the types are disjoint',
    { model, role: roles, type: ['input', 'output', 'cache_read', 'cache_write'] },
    'tokens',
  ),
  model_cost_usd_total: counter(
    'Dollars at list price; subscription: nobody is billed them',
    { model, role: roles, billing: ['api', 'subscription'] },
    'USD',
  ),
  gateway_refusals_total: counter('Calls the gateway refused', { reason: [...refusals, 'other'] }),
  idle_model_requests_total: counter('Calls of models whose iteration was not running; must stay 0', {}),
  agent_usage_compared_total: counter(
    'Iterations whose agent told of its calls (OpenTelemetry), held against what was metered; differs: more than 1 % apart',
    { result: ['same', 'differs'] },
  ),
  budget_used_ratio: gauge('Settled and reserved, as a share of the limit in the present period', {
    scope,
    name: project,
    unit: ['tokens', 'usd', 'calls'],
  }),
  budget_usd_limit: gauge('Dollars: limit of the present period', { scope, name: project }, 'USD'),
  budget_usd_settled: gauge('Dollars: settled in the present period', { scope, name: project }, 'USD'),
  budget_usd_reserved: gauge('Dollars: worst cases of the calls that are open', { scope, name: project }, 'USD'),
  budget_tokens_limit: gauge('Tokens: limit of the present period', { scope, name: project }, 'tokens'),
  budget_tokens_settled: gauge('Tokens: settled in the present period', { scope, name: project }, 'tokens'),
  budget_tokens_reserved: gauge('Tokens: worst cases of the calls that are open', { scope, name: project }, 'tokens'),
  usage_window_used_ratio: gauge('Used share of a subscription’s window', {
    provider: providers,
    window: { boundBy: 'windows the provider tells of, at most 10' },
  }),
  usage_window_reset_timestamp_seconds: gauge(
    'When the window is reset',
    { provider: providers, window: { boundBy: 'windows the provider tells of, at most 10' } },
    'seconds',
  ),
  usage_limits: gauge('Usage limits that hold now', { provider: providers, cause: limitCauses }),
  credential_usable: gauge('1 while the provider’s credential is there and not refused', { provider: providers }),
} as const satisfies Group;

const gateway = {
  gateway_up: gauge('1 while the gateway answers', {}),
  gateway_open_calls: gauge('Calls of models under way', {}),
  gateway_tunnels: gauge('Tunnels into VMs', { state: ['connected', 'connecting', 'failed'] }),
  gateway_request_seconds: histogram(
    'Time of a call, from its first byte to its last',
    { provider: providers },
    toFiveMinutes,
  ),
  gateway_first_byte_seconds: histogram(
    'Time from a request that went up to the first byte of its answer',
    { provider: providers },
    toFiveMinutes,
  ),
} as const satisfies Group;

const telemetry = {
  logs_shipped_lines_total: counter('Log lines that Loki has taken', { stream }, 'lines'),
  logs_dropped_lines_total: counter(
    'Log lines that could not be kept',
    { reason: ['cap', 'too_old', 'rejected', 'unreadable'] },
    'lines',
  ),
  logs_push_failures_total: counter('Pushes to Loki that failed', {
    reason: ['refused', 'overloaded', 'error', 'unreachable'],
  }),
  logs_backlog_bytes: gauge('Logs on the disk that Loki has not taken', {}, 'bytes'),
  logs_lag_seconds: gauge('Age of the oldest line that Loki has not taken; 0: none', { stream }, 'seconds'),
  spans_exported_total: counter(
    'Spans and events that the receiver has taken',
    { from: ['daemon', 'gateway'] },
    'spans',
  ),
  spans_dropped_total: counter(
    'Spans and events that were lost: no room, the receiver refuses them, the process has ended',
    { from: ['daemon', 'gateway'], reason: ['full', 'refused', 'ended'] },
    'spans',
  ),
  notifications_total: counter('Pings on a channel', {
    channel: ['terminal', 'desktop', 'webhook'],
    result: ['sent', 'failed'],
  }),
} as const satisfies Group;

type Group = Readonly<Record<string, Metric>>;

/** In the order of docs/metrics.md. */
export const groups = {
  Daemon: daemon,
  Host: host,
  VMs: vm,
  'Ralphs, iterations, tasks': work,
  Gas: gas,
  Gateway: gateway,
  'Telemetry itself': telemetry,
} as const;

export const metrics = { ...daemon, ...host, ...vm, ...work, ...gas, ...gateway, ...telemetry } as const;
export type MetricName = keyof typeof metrics;

/** What the gateway measures; the daemon asks it for them. */
export function isGatewaysOwn(name: MetricName): boolean {
  return name.startsWith('gateway_') && metrics[name].type === 'histogram';
}

type OfType<T extends Metric['type']> = {
  [K in MetricName]: (typeof metrics)[K]['type'] extends T ? K : never;
}[MetricName];
export type CounterName = OfType<'counter'>;
export type GaugeName = OfType<'gauge'>;
export type HistogramName = OfType<'histogram'>;
export type LabelsOf<K extends MetricName> = Readonly<Record<keyof (typeof metrics)[K]['labels'] & string, string>>;
