import { describe, expect, it } from 'vitest';
import { createMeters } from './meters.ts';
import { type MetricName, metrics } from './metrics.ts';

const all = { only: () => true, withProcess: false, onError: () => {} };
const plain = 'text/plain';
const open = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5';

/** Lines of one metric. */
const linesOf = (text: string, name: string) =>
  text.split('\n').filter((line) => line.startsWith(`ralph_fleet_${name}`));

describe('meters', () => {
  it('have every counter that alerts look at at 0 from the start, in each of its combinations', async () => {
    const { text } = await createMeters(all).scrape(plain);
    expect(linesOf(text, 'vm_starts_total')).toEqual([
      'ralph_fleet_vm_starts_total{way="boot",result="ok"} 0',
      'ralph_fleet_vm_starts_total{way="boot",result="failed"} 0',
      'ralph_fleet_vm_starts_total{way="fork",result="ok"} 0',
      'ralph_fleet_vm_starts_total{way="fork",result="failed"} 0',
    ]);
    for (const [name, metric] of Object.entries(metrics)) {
      if ('isBorn' in metric) expect(linesOf(text, name), name).not.toHaveLength(0);
    }
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
