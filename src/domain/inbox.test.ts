import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inboxItem } from '../contract/inbox.ts';
import { type InboxSnapshot, type InboxTask, inbox } from './inbox.ts';
import { inboxSeverities, needsPerson } from './inbox-item.ts';
import { taskPhases } from './task.ts';

const now = Date.parse('2026-11-21T12:00:00.000Z');

function task(id: string, more: Partial<InboxTask> = {}): InboxTask {
  return {
    id,
    project: 'shop',
    title: `title of ${id}`,
    phase: 'awaiting_approval',
    since: now - 60_000,
    reason: null,
    ralph: null,
    seen: false,
    needs: null,
    approval: { commit: '3f9c2e1'.padEnd(40, '0'), reviewed: true, calledOut: 2 },
    question: null,
    asides: [],
    dependents: [],
    ...more,
  };
}

function snapshot(tasks: InboxTask[], more: Partial<InboxSnapshot> = {}): InboxSnapshot {
  return { now, tasks, flags: [], reviewsWaitingLimit: 5, budgetGone: null, limits: [], problems: [], ...more };
}

describe('inbox', () => {
  it('names an approval with its commit, what is known and the command', () => {
    const [item] = inbox(snapshot([task('T41')]));
    expect(item).toMatchObject({
      kind: 'approve',
      title: 'title of T41',
      why: 'verified on 3f9c2e1, reviewed, 2 called out',
      link: { cli: 'ralph-fleet approve T41' },
      severity: 'soon',
    });
  });

  it('shows the question itself, with its options', () => {
    const question = {
      question: 'which column?',
      options: ['price', 'price_minor'],
      preferred: 'price_minor',
      askedAt: now - 1000,
    };
    const [item] = inbox(snapshot([task('T2', { phase: 'needs_input', question })]));
    expect(item).toMatchObject({
      title: 'which column?',
      why: 'a) price  b) price_minor (its choice)',
      kind: 'answer',
    });
  });

  it('shows a high flag until it was seen, whatever became of its task', () => {
    const flag = {
      ...{
        id: 'fl-1',
        task: 'T1',
        project: 'p',
        iteration: 'it-1',
        ralph: 'implementer-1',
        at: now - 1000,
        seen: false,
      },
      what: 'A key in config.js',
      severity: 'high',
      category: 'security',
    } as const;
    const items = inbox(snapshot([task('T1', { phase: 'merged' })], { flags: [flag] }));
    expect(items).toMatchObject([
      { kind: 'info', title: 'A key in config.js', why: 'security, flagged by implementer-1', severity: 'soon' },
    ]);
    expect(items[0]?.actions[0]?.command).toBe('ralph-fleet task seen T1');
  });

  it('shows a question that holds nothing up last, whatever its task does', () => {
    const aside = { question: 'tabs?', options: [], preferred: null, askedAt: now - 5000 };
    const items = inbox(snapshot([task('T2', { phase: 'implementing', asides: [aside] }), task('T3')]));
    expect(items.map(({ kind, severity }) => [kind, severity])).toEqual([
      ['approve', 'soon'],
      ['answer', 'info'],
    ]);
    expect(items[1]).toMatchObject({
      id: `answer:T2:${now - 5000}`,
      title: 'tabs?',
      link: { cli: 'ralph-fleet task answer T2 TEXT' },
    });
  });

  it('puts what blocks everything first, then the oldest', () => {
    const old = task('T1', { since: now - 9_000_000 });
    const young = task('T2', { since: now - 1000 });
    const gone = { since: now, text: '$20 of $20 today', until: null };
    const items = inbox(snapshot([young, old], { budgetGone: gone }));
    expect(items.map((i) => i.subject.task)).toEqual([null, 'T1', 'T2']);
    expect(items[1]?.ageClass).toBe('waiting');
  });

  it('tells of a usage limit, after all that needs a person, and asks for nobody', () => {
    const limit = {
      ...{ id: 'anthropic:ab:5h', provider: 'anthropic', window: '5h', usedRatio: 0.92, cause: 'kept-free' as const },
      ...{ since: now - 1000, until: now + 3_600_000 },
    };
    const items = inbox(snapshot([task('T1'), task('T2', { phase: 'rate_limited' })], { limits: [limit] }));
    expect(items.map(needsPerson)).toEqual([true, false]);
    expect(items[1]).toMatchObject({
      title: '92 % of the 5-hour usage window of anthropic is used, the rest is kept free for you',
      why: 'until 2026-11-21T13:00:00.000Z, then it goes on by itself; T2 is parked',
    });
    expect(inboxItem.parse(items[1])).toEqual(items[1]);
  });

  it('says that everything stands still once the review limit is reached', () => {
    const items = inbox(snapshot([task('T1'), task('T2')], { reviewsWaitingLimit: 2 }));
    expect(items.every((i) => i.severity === 'blocking-many')).toBe(true);
  });

  it('keeps an id while nothing happens and gives a new one to a re-raised thing', () => {
    const first = inbox(snapshot([task('T1')]))[0]?.id;
    expect(inbox({ ...snapshot([task('T1')]), now: now + 999_999 })[0]?.id).toBe(first);
    expect(inbox(snapshot([task('T1', { since: now })]))[0]?.id).not.toBe(first);
  });

  it('forgets a failure that was looked at; warnings do not ask for a person', () => {
    const warning = {
      id: 'disk',
      what: 'disk fills',
      since: now,
      remedy: 'gc',
      vm: null,
      severity: 'warning' as const,
    };
    expect(inbox(snapshot([task('T1', { phase: 'failed', seen: true })], { problems: [warning] }))).toEqual([]);
    expect(inbox(snapshot([], { problems: [{ ...warning, severity: 'error' }] }))).toHaveLength(1);
  });

  it('gives valid, uniquely named, ordered items for any fleet', () => {
    const anyTask = fc.record({
      phase: fc.constantFrom(...taskPhases),
      since: fc.integer({ min: 0, max: now }),
      reason: fc.option(fc.string()),
      title: fc.string(),
      dependents: fc.array(fc.string(), { maxLength: 2 }),
    });
    fc.assert(
      fc.property(fc.array(anyTask, { maxLength: 20 }), (rows) => {
        const items = inbox(snapshot(rows.map((row, i) => task(`T${i}`, row))));
        for (const item of items) inboxItem.parse(item);
        expect(new Set(items.map((i) => i.id)).size).toBe(items.length);
        const ranks = items.map((i) => inboxSeverities.indexOf(i.severity));
        expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
      }),
    );
  });
});
