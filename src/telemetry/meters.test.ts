import { describe, expect, it } from 'vitest';
import { fillSpans } from './fill-spans.ts';
import { createTotals } from './fill-totals.ts';
import { createMeters } from './meters.ts';
import { type MetricName, metrics } from './metrics.ts';

const all = { only: () => true, withProcess: false, onError: () => {} };
const plain = 'text/plain';
const open = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5';

/** Lines of one metric. */
const linesOf = (text: string, name: string) =>
  text.split('\n').filter((line) => line.startsWith(`ralph_fleet_${name}`));

describe('meters', () => {
  it('have every counter and histogram with closed labels at 0 from the start, in each combination', async () => {
    const { text } = await createMeters(all).scrape(plain);
    expect(linesOf(text, 'vm_starts_total')).toEqual([
      'ralph_fleet_vm_starts_total{way="boot",result="ok"} 0',
      'ralph_fleet_vm_starts_total{way="boot",result="failed"} 0',
      'ralph_fleet_vm_starts_total{way="fork",result="ok"} 0',
      'ralph_fleet_vm_starts_total{way="fork",result="failed"} 0',
    ]);
    expect(linesOf(text, 'check_seconds_bucket{le="60",kind="loop"}')).toEqual([
      'ralph_fleet_check_seconds_bucket{le="60",kind="loop"} 0',
    ]);
    // Of the others the values of a label are not known here.
    const grows = (Object.keys(metrics) as MetricName[]).filter((name) => metrics[name].type !== 'gauge');
    expect(grows.filter((name) => linesOf(text, name).length === 0)).toEqual([
      ...['steps_total', 'step_seconds', 'host_pressure_seconds_total'],
      ...['tasks_finished_total', 'model_tokens_total', 'model_cost_usd_total'],
    ]);
  });

  it('bear a series of which only its owner knows the labels', async () => {
    const meters = createMeters(all);
    meters.bear('steps_total', { step: 'ping', result: 'failed' });
    meters.bear('step_seconds', { step: 'ping' });
    meters.count('steps_total', { step: 'ping', result: 'failed' });
    meters.bear('steps_total', { step: 'ping', result: 'failed' });
    const { text } = await meters.scrape(plain);
    expect(linesOf(text, 'steps_total')).toEqual(['ralph_fleet_steps_total{step="ping",result="failed"} 1']);
    expect(linesOf(text, 'step_seconds_count')).toEqual(['ralph_fleet_step_seconds_count{step="ping"} 0']);
  });

  it('show what the store begins to count at 0 once, and what it had counted before at once', async () => {
    const of = (project: string, value: number) => ({
      name: 'tasks_finished_total',
      labels: { project, result: 'merged' },
      value,
    });
    let totals = [of('old', 7), { name: 'of_another_version', labels: {}, value: 1 }];
    const meters = createMeters({ ...all, onError: (error) => expect(error).toBe(null) });
    meters.addSource(createTotals(() => totals));
    totals = [...totals, of('new', 3)];
    const seen = async () =>
      linesOf((await meters.scrape(plain)).text, 'tasks_finished_total').map((line) => line.slice(-2));
    expect(await seen()).toEqual([' 7', ' 0']);
    expect(await seen()).toEqual([' 7', ' 3']);
  });

  it('go on where what another part kept begins anew', async () => {
    const meters = createMeters(all);
    let exported = 5;
    const counts = () => ({ exported, dropped: { full: 0, refused: 0, ended: 0 } });
    meters.addSource((put) => fillSpans(put, 'gateway', counts()));
    const seen = async () => linesOf((await meters.scrape(plain)).text, 'spans_exported_total{from="gateway"}');
    expect(await seen()).toEqual(['ralph_fleet_spans_exported_total{from="gateway"} 5']);
    exported = 2; // it was started again, and has sent two
    expect(await seen()).toEqual(['ralph_fleet_spans_exported_total{from="gateway"} 7']);
    exported = 4;
    expect(await seen()).toEqual(['ralph_fleet_spans_exported_total{from="gateway"} 9']);
  });

  it('make no new series of values outside of a closed list', async () => {
    const meters = createMeters(all);
    meters.count('gateway_refusals_total', { reason: 'x'.repeat(1000) }, 3);
    expect((await meters.scrape(plain)).text).toContain('ralph_fleet_gateway_refusals_total{reason="other"} 3');
  });

  it('take totals as they stand, and never go back', async () => {
    const errors: unknown[] = [];
    const meters = createMeters({ ...all, onError: (error) => errors.push(error) });
    let total = 5;
    meters.addSource((put) => put.total('events_total', {}, total));
    const seen = async () => linesOf((await meters.scrape(plain)).text, 'events_total');
    expect(await seen()).toEqual(['ralph_fleet_events_total 5']);
    total = 7;
    expect(await seen()).toEqual(['ralph_fleet_events_total 7']);
    total = 6;
    expect(await seen()).toEqual(['ralph_fleet_events_total 7']);
    expect(errors).toEqual([]);
  });

  it('forget a gauge that nobody sets any more, and one source that fails does not keep the others', async () => {
    const errors: unknown[] = [];
    const meters = createMeters({ ...all, onError: (error) => errors.push(error) });
    let isThere = true;
    meters.addSource(() => {
      throw new Error('broken');
    });
    meters.addSource((put) => {
      if (isThere) put.set('iteration_last_output_timestamp_seconds', { ralph: 'implementer-1' }, 9);
    });
    const seen = async () => linesOf((await meters.scrape(plain)).text, 'iteration_last_output');
    expect(await seen()).toEqual(['ralph_fleet_iteration_last_output_timestamp_seconds{ralph="implementer-1"} 9']);
    isThere = false;
    expect(await seen()).toEqual([]);
    expect(errors).toHaveLength(2);
  });

  it('are written as OpenMetrics for who asks for it, and as before for the others, also both at once', async () => {
    const meters = createMeters({ ...all, withProcess: true });
    meters.addSource((put) => put.set('vm_capacity', {}, 4));
    const asked = await Promise.all([open, plain, open, plain].map((accept) => meters.scrape(accept)));
    for (const [at, { type, text }] of asked.entries()) {
      expect(linesOf(text, 'vm_capacity')).toEqual(['ralph_fleet_vm_capacity 4']);
      expect(text.endsWith('# EOF\n')).toBe(at % 2 === 0);
      expect(type).toContain(at % 2 === 0 ? 'openmetrics-text' : 'text/plain');
      expect(text).toContain(`# TYPE ralph_fleet_events${at % 2 === 0 ? '' : '_total'} counter`);
      expect(linesOf(text, 'vm_starts_total')).toHaveLength(4);
    }
  });

  it('carry what another process measured', async () => {
    const isGateways = (name: MetricName) => name.startsWith('gateway_') && metrics[name].type === 'histogram';
    const gateway = createMeters({ ...all, only: isGateways });
    gateway.observe('gateway_request_seconds', { provider: 'anthropic' }, 0.3);
    const figures = JSON.parse(JSON.stringify(await gateway.figures()));
    const daemon = createMeters({ ...all, only: (name) => !isGateways(name) });
    for (const accept of [plain, open]) {
      const { text } = await daemon.scrape(accept, figures);
      expect(text).toContain('ralph_fleet_gateway_request_seconds_bucket{le="0.5",provider="anthropic"} 1');
      expect(text).toContain('ralph_fleet_gateway_request_seconds_count{provider="anthropic"} 1');
    }
  });
});
