import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BudgetLevelView, BudgetsView } from '../../src/contract/budgets.ts';
import { cli } from '../fixtures/cli-run.ts';
import { type FakeDaemon, startFakeDaemon } from '../fixtures/fake-daemon.ts';
import { ago } from '../fixtures/views.ts';

const level: BudgetLevelView = {
  node: 'fleet',
  title: null,
  per: 'day',
  since: '2026-11-21T00:00:00.000Z',
  endsAt: '2026-11-22T00:00:00.000Z',
  limit: { usd: 20, tokens: 5_000_000, calls: 5000, seconds: null },
  source: 'fleet.yaml',
  settled: { usd: 3.21, tokens: 1_200_000, calls: 212, seconds: null },
  reserved: { usd: 0.94, tokens: 182_000, calls: 1, seconds: null },
  left: { usd: 15.85, tokens: 3_618_000, calls: 4787, seconds: null },
  held: 0,
  stop: null,
};
const view: BudgetsView = {
  asOf: ago(0),
  levels: [
    level,
    {
      ...level,
      ...{
        node: 'task:T41',
        title: 'Parse\u001b[31m prices',
        per: 'total',
        since: null,
        endsAt: null,
        source: 'its own',
      },
      limit: { usd: 2, tokens: null, calls: null, seconds: 7200 },
      settled: { usd: 1.9, tokens: 300_000, calls: 40, seconds: 3600 },
      reserved: { usd: 0, tokens: 0, calls: 0, seconds: null },
      left: { usd: 0.1, tokens: null, calls: null, seconds: 3600 },
      ...{ held: 2, stop: 'Task `T41` has used 1.90 USD of 2.00 USD; raise it: ralph-fleet budget set T41 --usd …' },
    },
  ],
  spent: null,
  problems: [],
};
const row = {
  counted: 'said' as const,
  flags: [],
  calls: 30,
  tokens: 250_000,
  cacheReadTokens: 2_000_000,
  usd: 1.5,
  priceKnown: true,
};
const spent = {
  node: 'task:T41',
  rows: [
    { ...row, model: 'claude-sonnet-5' },
    {
      ...row,
      model: 'claude-next',
      counted: 'worst' as const,
      flags: ['unsettled' as const],
      calls: 1,
      usd: 0.4,
      priceKnown: false,
    },
  ],
  ...{ loweredCalls: 1, heldCalls: 3, heldMs: 95_000 },
};

let daemon: FakeDaemon;
beforeEach(async () => {
  daemon = await startFakeDaemon({
    budgets: ({ query }) => (query['level'] === undefined ? view : { ...view, spent }),
    budgetSet: () => ({ message: 'Task `T41` may now spend 5.00 USD.', changed: true, task: 'T41' }),
  });
});
afterEach(() => daemon[Symbol.asyncDispose]());

const sent = () => daemon.calls.filter((call) => call.name === 'budgetSet').map((call) => call.body);

describe('budget show', () => {
  it('explains each level: limit, settled, reserved, left, and when its period ends', async () => {
    const { code, out, err } = await cli(daemon, ['budget', 'show'], { env: { TZ: 'UTC' } });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatchInlineSnapshot(`
      "fleet  a day, until 2026-11-22 00:00; limits: fleet.yaml
                      LIMIT    SETTLED   RESERVED       LEFT
        USD           20.00       3.21       0.94      15.85  ▓▓░░░░░░░░ 21 %
        tokens        5.0 M      1.2 M      182 k      3.6 M  ▓▓▓░░░░░░░ 28 %
        calls          5000        212          1       4787  ░░░░░░░░░░ 4 %

      T41 Parse prices  in all; limits: its own
                      LIMIT    SETTLED   RESERVED       LEFT
        USD            2.00       1.90       0.00       0.10  ▓▓▓▓▓▓▓▓▓▓ 95 %
        time            2 h        1 h          –        1 h  ▓▓▓▓▓░░░░░ 50 %
        2 calls held until others end
        ✗ Task \`T41\` has used 1.90 USD of 2.00 USD; raise it: ralph-fleet budget set T41 --usd …

      Reserved: what open calls could cost at most; they are settled for less.
      "
    `);
  });

  it('with a level shows of what its spend is made; with --json the whole document', async () => {
    const { out } = await cli(daemon, ['budget', 'show', 'T41']);
    expect(out.slice(out.indexOf('What T41'))).toMatchInlineSnapshot(`
      "What T41 has spent in this period
        MODEL                             USD   TOKENS   CACHED    CALLS  COUNTED
        claude-sonnet-5                  1.50    250 k    2.0 M       30  as the provider said
        claude-next                      0.40    250 k    2.0 M        1  at its worst case; left open by a gateway that ended; price not known: the dearest
        1 call went with a lower output limit than asked for
        3 calls held, 1 m in all
      Reserved: what open calls could cost at most; they are settled for less.
      "
    `);
    expect(JSON.parse((await cli(daemon, ['budget', 'show', '--json'])).out)).toEqual(view);
    expect(daemon.calls.map((call) => call.query)).toEqual([{ level: 'T41' }, {}]);
  });

  it('says when nothing is known of what was spent', async () => {
    const unknown = { ...level, settled: null, reserved: null, left: null, held: null };
    daemon.answers.budgets = () => ({
      ...view,
      levels: [unknown],
      problems: [{ what: 'The gateway is away.', remedy: 'ralph-fleet doctor' }],
    });
    const { out } = await cli(daemon, ['budget', 'show']);
    expect(out).toContain('The gateway is away.  ralph-fleet doctor');
    expect(out).toMatch(/USD +20\.00 +– +– +–/);
  });
});

describe('budget set', () => {
  it('understands amounts as people write them', async () => {
    const set = async (...args: string[]) => expect((await cli(daemon, ['budget', 'set', ...args])).code).toBe(0);
    await set('T41', '--usd', '5');
    await set('fleet', '--usd', '$2.50', '--tokens', '1.5M', '--calls', '1_000', '--per', 'month');
    await set('review:T41', '--tokens', '500k', '--time', '1h30m', '--usd', 'none');
    await set('T41', '--reset');
    const by = expect.any(String);
    expect(sent()).toEqual([
      { level: 'T41', reset: false, by, usd: 5 },
      { level: 'fleet', reset: false, by, usd: 2.5, tokens: 1_500_000, calls: 1000, per: 'month' },
      { level: 'review:T41', reset: false, by, tokens: 500_000, ms: 5_400_000, usd: null },
      { level: 'T41', reset: true, by },
    ]);
  });

  it.each([
    ['--usd', '-1'],
    ['--usd', '0'],
    ['--usd', 'much'],
    ['--tokens', '5G'],
    ['--tokens', '0'],
    ['--calls', '1.2.3'],
    ['--time', '90'],
    ['--time', '10s'],
    ['--per', 'week'],
  ])('refuses %s %s with what to write, before anything is sent', async (option, value) => {
    const { code, err } = await cli(daemon, ['budget', 'set', 'T41', option, value]);
    expect([code, sent()]).toEqual([2, []]);
    expect(err).toContain('Write ');
  });

  it('has help with examples', async () => {
    for (const words of [
      ['budget', 'set', '--help'],
      ['budget', 'show', '--help'],
    ]) {
      const { code, out } = await cli(daemon, words);
      expect([code, out]).toEqual([0, expect.stringMatching(/Examples:\n {2}ralph-fleet budget/)]);
    }
    const { out } = await cli(daemon, ['budget', 'set', 'T41', '--usd', '5', '--json']);
    expect(JSON.parse(out)).toMatchObject({ changed: true, task: 'T41' });
  });
});
