import { expect, it } from 'vitest';
import { alertItem, createAlerts, type Firing } from './alerts.ts';

const at = Date.parse('2026-11-21T12:00:00Z');
const iso = (ms: number) => new Date(ms).toISOString();

function setup() {
  const clock = { at, now: () => clock.at };
  const begun: Firing[] = [];
  const alerts = createAlerts({ clock, onBegin: (alert) => begun.push(alert) });
  return { clock, begun, alerts };
}

const alert = (more: object = {}) => ({
  labels: { alertname: 'RalphFleetDiskLow', severity: 'critical', part: 'state', instance: 'x' },
  annotations: { summary: 'Only 1 GiB is free.', action: 'Free some space.' },
  startsAt: iso(at - 1_000),
  endsAt: iso(at + 240_000),
  generatorURL: 'http://x/graph',
  ...more,
});

it('tells once of an alert that is sent again and again, and knows what fires until it is over', () => {
  const { clock, begun, alerts } = setup();
  alerts.take([alert()]);
  clock.at += 60_000;
  alerts.take([alert({ endsAt: iso(clock.at + 240_000) })]);
  expect(begun).toHaveLength(1);
  expect(alerts.firing()).toMatchObject([{ name: 'RalphFleetDiskLow', severity: 'critical', since: at - 1_000 }]);
  alerts.take([alert({ endsAt: iso(clock.at - 1) })]);
  expect(alerts.firing()).toEqual([]);
  alerts.take([alert({ startsAt: iso(clock.at), endsAt: iso(clock.at + 1_000) })]);
  expect(begun).toHaveLength(2);
  clock.at += 2_000; // Prometheus went away
  expect(alerts.firing()).toEqual([]);
});

it('tells of each series by itself', () => {
  const { begun, alerts } = setup();
  const { labels } = alert();
  alerts.take([alert(), alert({ labels: { ...labels, part: 'cache' } })]);
  expect(new Set(begun.map(({ id }) => id)).size).toBe(2);
});

it('takes only the fleet’s own, cleans what they say, and holds no more than it must', () => {
  const { begun, alerts } = setup();
  alerts.take([
    alert({ labels: { alertname: 'NodeDown' } }),
    alert({ labels: { alertname: 'RalphFleetX\u001b[31m' } }),
    alert({ annotations: { summary: `a\u001b[31mred\n${'x'.repeat(1000)}` } }),
  ]);
  expect(begun).toHaveLength(1);
  expect(begun[0]?.summary).toMatch(/^ared x+…$/);
  const many = Array.from({ length: 300 }, (_, n) => alert({ labels: { alertname: 'RalphFleetDown', n: String(n) } }));
  alerts.take(many);
  expect(alerts.firing()).toHaveLength(100);
  expect(begun).toHaveLength(100);
});

it.each([[{}], [[{}]], [[alert({ startsAt: 'soon' })]], ['x'], [Array.from({ length: 501 }, () => alert())]])(
  'refuses what is no list of alerts',
  (body) => {
    const { begun, alerts } = setup();
    expect(() => alerts.take(body)).toThrow();
    expect(begun).toEqual([]);
  },
);

it('becomes an item as people are told', () => {
  const { begun, alerts } = setup();
  alerts.take([alert()]);
  expect(begun.map(alertItem)).toMatchObject([
    {
      kind: 'mend',
      title: 'Only 1 GiB is free.',
      why: 'Free some space. (RalphFleetDiskLow)',
      severity: 'blocking-many',
    },
  ]);
});
