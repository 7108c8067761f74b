import { expect, it } from 'vitest';
import { anIteration, aProject, aTask, aVm, config, now } from '../../test/support/rows.ts';
import { fillFleet, fillGateway } from './fill-fleet.ts';
import { fillWork, type WorkSeen } from './fill-work.ts';
import { createMeters, type Put } from './meters.ts';

const nothing: WorkSeen = { now, projects: [aProject()], tasks: [], ralphs: [], iterations: [], vms: [], flags: 0 };

async function scraped(...fills: ((put: Put) => void)[]): Promise<string> {
  const errors: unknown[] = [];
  const meters = createMeters({ only: () => true, withProcess: true, onError: (error) => errors.push(error) });
  for (const fill of fills) meters.addSource(fill);
  const { text } = await meters.scrape('');
  expect(errors).toEqual([]);
  return text;
}

it('what each Ralph does, how long tasks wait, and what is not saved', async () => {
  const ralph = { name: 'implementer-1', role: 'implementer', task: 'T1', vm: null, since: now } as const;
  const text = await scraped((put) =>
    fillWork(put, {
      ...nothing,
      tasks: [
        aTask({ id: 'T1', phase: 'implementing' }),
        aTask({ id: 'T2', phase: 'awaiting_approval', since: now - 90_000 }),
        aTask({ id: 'T3', phase: 'awaiting_approval', since: now - 30_000 }),
      ],
      ralphs: [ralph, { ...ralph, name: 'implementer-2', task: null }],
      iterations: [anIteration({ task: 'T1', phase: 'running', lastOutputAt: now - 5_000, savedAt: now - 70_000 })],
      vms: [aVm({ phase: 'starting', since: now - 8_000, desired: 'ready' })],
    }),
  );
  expect(text.split('\n')).toEqual(
    expect.arrayContaining([
      'ralph_fleet_tasks{project="p",phase="awaiting_approval"} 2',
      'ralph_fleet_tasks{project="p",phase="stalled"} 0',
      'ralph_fleet_task_oldest_seconds{phase="awaiting_approval"} 90',
      'ralph_fleet_task_oldest_seconds{phase="needs_input"} 0',
      'ralph_fleet_ralph_phase_code{ralph="implementer-1",role="implementer"} 2',
      'ralph_fleet_ralph_phase_code{ralph="implementer-2",role="implementer"} 0',
      'ralph_fleet_ralphs{role="implementer",phase="working"} 1',
      `ralph_fleet_iteration_last_output_timestamp_seconds{ralph="implementer-1"} ${(now - 5_000) / 1000}`,
      `ralph_fleet_unsaved_since_timestamp_seconds{ralph="implementer-1"} ${(now - 70_000) / 1000}`,
      'ralph_fleet_vms{purpose="implementer",phase="starting"} 1',
      'ralph_fleet_vm_waiting_oldest_seconds 8',
    ]),
  );
});

it('what is not known is not there', async () => {
  const none = { now, version: '1', since: now, config, desire: 'up', isPaused: false, capacity: 3 } as const;
  const driver = { name: 'fake', wall: null, accel: null };
  const rest = { pass: null, stepsRunning: 0, stepsFailing: [], problems: [], events: 4, limits: [], windows: [] };
  const text = await scraped(
    (put) => fillFleet(put, { ...none, ...rest, driver }),
    (put) => fillGateway(put, null),
  );
  expect(text).toContain('ralph_fleet_gateway_up 0');
  expect(text).toContain('ralph_fleet_info{name="test",driver="fake",wall="unknown",accel="unknown"} 1');
  expect(text).toContain('ralph_fleet_events_total 4');
  for (const absent of ['last_pass_timestamp_seconds', 'driver_up', 'gateway_tunnels', 'budget_usd_settled'])
    expect(text).not.toMatch(new RegExp(`^ralph_fleet_${absent}[ {]`, 'm'));
});

it('budgets stand as shares of their limits, reserved amounts with them', async () => {
  const amounts = (usd: number) => ({ usd, tokens: 0, calls: 0 });
  const level = { node: 'project:p', until: null, limit: { usd: 10, tokens: null, calls: null } };
  const spans = { exported: 3, dropped: { full: 1, refused: 0, ended: 0 }, compared: { same: 4, differs: 1 } };
  const levels = [{ ...level, settled: amounts(4), reserved: amounts(1) }];
  const text = await scraped((put) => fillGateway(put, { openCalls: 2, tunnels: [], levels, spans }));
  expect(text).toContain('ralph_fleet_budget_used_ratio{scope="project",name="p",unit="usd"} 0.5');
  expect(text).not.toContain('unit="tokens"');
  expect(text).toContain('ralph_fleet_gateway_open_calls 2');
  expect(text).toContain('ralph_fleet_spans_exported_total{from="gateway"} 3');
  expect(text).toContain('ralph_fleet_agent_usage_compared_total{result="differs"} 1');
  expect(text).toContain('ralph_fleet_spans_dropped_total{from="gateway",reason="full"} 1');
});

it('a scrape of a thousand Ralphs stays under 2 MiB, and holds no id of a task or a VM', async () => {
  const many = Array.from({ length: 1000 }, (_, n) => n);
  const text = await scraped((put) =>
    fillWork(put, {
      ...nothing,
      tasks: many.map((n) => aTask({ id: `T${n}`, phase: 'implementing' })),
      ralphs: many.map((n) => ({
        name: `implementer-${n}`,
        role: 'implementer',
        task: `T${n}`,
        vm: `v${n}`,
        since: now,
      })),
      iterations: many.map((n) =>
        anIteration({ id: `it-${n}`, ralph: `implementer-${n}`, task: `T${n}`, phase: 'running' }),
      ),
      vms: many.map((n) => aVm({ id: `v${n}` })),
    }),
  );
  expect(text.length).toBeLessThan(2 * 1024 * 1024);
  expect(text).toContain('ralph="implementer-999"');
  expect(text).not.toMatch(/"(T\d+|it-\d+|v\d+)"/);
});
