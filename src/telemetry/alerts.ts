import { z } from 'zod';
import type { InboxItem } from '../domain/inbox-item.ts';
import { cleanLine } from '../lib/clean-text.ts';
import { type Clock, toIso } from '../lib/clock.ts';

/**
 * The part of an Alertmanager that Prometheus speaks to (`POST /api/v2/alerts`): takes the fleet's own alerts and hands on each that
 * begins. Prometheus sends what fires again and again; each time it says until when that holds.
 */
export interface Alerts {
  /** Throws a ZodError for what is no list of alerts. */
  take(body: unknown): void;
  firing(): readonly Firing[];
}

export const severities = ['critical', 'warning', 'info'] as const;

export interface Firing {
  /** The same for as long as it fires, also after a restart of the daemon or of Prometheus. */
  id: string;
  name: string;
  severity: (typeof severities)[number];
  summary: string;
  /** What to do. */
  action: string;
  since: number;
  until: number;
}

const text = z.record(z.string().max(200), z.string().max(10_000));
const alertSchema = z.object({
  labels: text,
  annotations: text.default({}),
  startsAt: z.iso.datetime({ offset: true }),
  /** Left out or year 1: it holds until the next time it is sent. */
  endsAt: z.iso.datetime({ offset: true }).optional(),
});
const bodySchema = z.array(alertSchema).max(500);

const ours = /^RalphFleet[A-Z]\w{1,60}$/;
const maxFiring = 100;
const defaultHoldMs = 5 * 60_000;

export function createAlerts(deps: { clock: Pick<Clock, 'now'>; onBegin: (alert: Firing) => void }): Alerts {
  const known = new Map<string, Firing>();

  function forgetEnded(): void {
    const now = deps.clock.now();
    for (const [id, { until }] of known) if (until <= now) known.delete(id);
  }

  return {
    take(body) {
      forgetEnded();
      const now = deps.clock.now();
      for (const alert of bodySchema.parse(body)) {
        const firing = read(alert, now);
        if (firing === null) continue;
        const before = known.get(firing.id);
        if (firing.until <= now) known.delete(firing.id);
        else if (before !== undefined || known.size < maxFiring) known.set(firing.id, firing);
        if (before === undefined && known.has(firing.id)) deps.onBegin(firing);
      }
    },
    firing() {
      forgetEnded();
      return [...known.values()];
    },
  };
}

/** Null for one that is not the fleet's. */
function read({ labels, annotations, startsAt, endsAt }: z.infer<typeof alertSchema>, now: number): Firing | null {
  const name = labels['alertname'] ?? '';
  if (!ours.test(name)) return null;
  const since = Date.parse(startsAt);
  const told = endsAt === undefined ? 0 : Date.parse(endsAt);
  const which = Object.entries(labels)
    .filter(([label]) => label !== 'alertname' && label !== 'severity')
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([label, value]) => `${label}=${value}`);
  return {
    id: cleanLine(`alert:${name}:${which.join(',')}:${since}`, 300),
    name,
    severity: severities.find((severity) => severity === labels['severity']) ?? 'warning',
    summary: cleanLine(annotations['summary'] ?? name, 300),
    action: cleanLine(annotations['action'] ?? 'ralph-fleet status', 500),
    since,
    until: told > 0 ? told : now + defaultHoldMs,
  };
}

/** As the fleet tells people. */
export function alertItem({ id, name, severity, summary, action, since }: Firing): InboxItem {
  return {
    id,
    kind: severity === 'info' ? 'info' : 'mend',
    subject: { task: null, ralph: null, vm: null, project: null },
    title: summary,
    why: `${action} (${name})`,
    since: toIso(since),
    ageClass: 'fresh',
    actions: [],
    link: { cli: 'ralph-fleet status', tui: null, web: null },
    severity: severity === 'critical' ? 'blocking-many' : severity === 'warning' ? 'soon' : 'info',
  };
}
