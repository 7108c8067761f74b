import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { createSilentLog } from '../../lib/log.ts';
import { createLedger } from '../ledger/ledger.ts';
import { openSql } from '../ledger/sql.ts';
import { type Caller, createLimits } from './limits.ts';

const start = Date.parse('2026-11-21T00:00:00Z');
const hourMs = 3_600_000;
const caller: Caller = { provider: 'anthropic', key: 'sk-ant-one', name: 'g1' };
const another: Caller = { ...caller, key: 'sk-ant-two' };
const never = new AbortController().signal;
const inHours = (hours: number) => String((start + hours * hourMs) / 1000);

function setup() {
  const clock = createVirtualClock(start);
  const sql = openSql(':memory:');
  const { limits: rows } = createLedger(sql, { now: clock.now, timeZone: 'UTC', bootId: 'b' });
  const born = () =>
    createLimits({ rows, clock, log: createSilentLog(), random: { hex: (bytes) => '7f'.repeat(bytes) } });
  return { clock, rows, limits: born(), born };
}

const window = (used: string, hours = 3) => ({
  'anthropic-ratelimit-unified-status': 'allowed',
  'anthropic-ratelimit-unified-5h-status': 'allowed',
  'anthropic-ratelimit-unified-5h-reset': inHours(hours),
  'anthropic-ratelimit-unified-5h-utilization': used,
});
const reached = {
  ...window('1'),
  'anthropic-ratelimit-unified-status': 'rejected',
  'anthropic-ratelimit-unified-5h-status': 'rejected',
};

describe('a limit that is hours long', () => {
  it('refuses every call of that credential, and of no other, until its reset', async () => {
    const { clock, limits } = setup();
    expect(limits.learn(caller, 429, reached)).toMatchObject({
      window: '5h',
      cause: 'reached',
      until: start + 3 * hourMs,
    });
    expect(await limits.pass({ ...caller, name: 'g2' }, never)).toMatchObject({ window: '5h' });
    expect(await limits.pass(another, never)).toBeNull();
    expect(await limits.pass({ ...caller, provider: 'openai' }, never)).toBeNull();
    expect(limits.told([caller, another]).limits).toMatchObject([{ provider: 'anthropic', since: start }]);
    expect(limits.told([another]).limits).toEqual([]);
    void clock.sleep(3 * hourMs);
    await clock.step();
    expect(await limits.pass(caller, never)).toBeNull();
    expect(limits.told([caller]).limits).toEqual([]);
  });

  it('of one family of models refuses calls for these alone, and one of another window says nothing of it', async () => {
    const { limits } = setup();
    const opus = { ...caller, model: 'claude-opus-4-8' };
    const sonnet = { ...caller, model: 'claude-sonnet-4-5' };
    const used = {
      ...window('0.3'),
      'anthropic-ratelimit-unified-status': 'rejected',
      'anthropic-ratelimit-unified-7d_opus-status': 'rejected',
      'anthropic-ratelimit-unified-7d_opus-reset': inHours(50),
      'anthropic-ratelimit-unified-7d_opus-utilization': '1',
    };
    expect(limits.learn(opus, 429, used)).toMatchObject({ window: '7d_opus', until: start + 50 * hourMs });
    expect(await limits.pass(opus, never)).toMatchObject({ window: '7d_opus' });
    expect(await limits.pass(sonnet, never)).toBeNull();
    expect(await limits.pass(caller, never)).toBeNull();
    expect(limits.learn(sonnet, 429, { 'retry-after': '20' })).toMatchObject({ until: start + 20_000 });
    expect(limits.told([caller]).limits).toMatchObject([{ window: '7d_opus' }]);
  });

  it('outlives the process, and says nothing of the credential', async () => {
    const { rows, limits, born } = setup();
    limits.learn(caller, 429, reached);
    expect(await born().pass(caller, never)).toMatchObject({ until: start + 3 * hourMs, since: start });
    expect(JSON.stringify(rows.list())).toMatch(/"anthropic:[0-9a-f]{12}"/);
    expect(JSON.stringify(rows.list())).not.toContain('sk-ant');
  });

  it('is tried when a person says so, and learned again if it still holds', async () => {
    const { clock, rows, limits, born } = setup();
    limits.learn(caller, 429, reached);
    const [limit] = limits.told([caller]).limits;
    limits.lift(limit?.id ?? '', start - 1);
    expect(await limits.pass(caller, never)).toMatchObject({ cause: 'reached' });
    limits.lift(limit?.id ?? '', start);
    limits.lift('anthropic:nobody:5h', start);
    expect(await limits.pass(caller, never)).toBeNull();
    expect(rows.list()).toEqual([]);
    expect(await born().pass(caller, never)).toBeNull();
    void clock.sleep(1000);
    await clock.step();
    limits.learn(caller, 429, reached);
    expect(limits.told([caller]).limits).toMatchObject([{ id: limit?.id, since: start + 1000 }]);
  });

  it('is not lifted by the answer to a call from before it', async () => {
    const { limits } = setup();
    limits.learn(caller, 429, reached);
    limits.learn(caller, 200, window('0.99'));
    expect(await limits.pass(caller, never)).toMatchObject({ cause: 'reached' });
  });
});

describe('a limit of a minute at most', () => {
  it('is waited out, and parks nobody', async () => {
    const { clock, rows, limits } = setup();
    expect(limits.learn(caller, 429, { 'retry-after': '20' })).toMatchObject({ until: start + 20_000 });
    expect(limits.told([caller]).limits).toEqual([]);
    const passed = limits.pass(caller, never);
    await clock.step();
    expect(await passed).toBeNull();
    expect(clock.now()).toBeGreaterThanOrEqual(start + 20_000);
    expect(clock.now()).toBeLessThan(start + 22_000);
    expect(rows.list()).toEqual([]);
  });

  it('that is renewed again and again never becomes a long one', async () => {
    const { clock, limits } = setup();
    for (let n = 0; n < 5; n++) {
      limits.learn(caller, 429, { 'retry-after': '50' });
      void clock.sleep(40_000);
      await clock.step();
    }
    expect(limits.told([caller]).limits).toEqual([]);
  });

  it('is given up with the call that waits for it', async () => {
    const { limits } = setup();
    limits.learn(caller, 429, { 'retry-after': '20' });
    const leave = new AbortController();
    const passed = limits.pass(caller, leave.signal);
    leave.abort();
    await expect(passed).rejects.toThrow();
  });
});

describe('what is kept free', () => {
  it('is a share of each window, as it is wanted now', async () => {
    const { limits, born } = setup();
    limits.learn(caller, 200, window('0.9'));
    expect(await limits.pass(caller, never)).toBeNull();
    limits.keepFree(0.1);
    expect(await limits.pass(caller, never)).toMatchObject({
      cause: 'kept-free',
      usedRatio: 0.9,
      until: start + 3 * hourMs,
    });
    expect(await born().pass(caller, never)).toMatchObject({ cause: 'kept-free' });
    limits.keepFree(0.05);
    expect(await limits.pass(caller, never)).toBeNull();
    expect(limits.told([caller]).windows).toEqual([
      { provider: 'anthropic', window: '5h', usedRatio: 0.9, until: start + 3 * hourMs },
    ]);
    limits.learn(caller, 200, window('0.96'));
    expect(limits.told([caller]).limits).toMatchObject([{ cause: 'kept-free', usedRatio: 0.96 }]);
  });

  it('says what it is even in the answer that reaches it, which is no refusal', () => {
    const { limits } = setup();
    limits.keepFree(0.5);
    expect(limits.learn(caller, 200, window('0.7'))).toBeNull();
  });

  it('begins anew with the next window', async () => {
    const { clock, limits } = setup();
    limits.keepFree(0.1);
    limits.learn(caller, 200, window('0.95', 1));
    void clock.sleep(hourMs);
    await clock.step();
    expect(await limits.pass(caller, never)).toBeNull();
    limits.learn(caller, 200, window('0.02', 6));
    expect(await limits.pass(caller, never)).toBeNull();
  });
});

it('windows without end fill nothing', () => {
  const { limits, rows } = setup();
  for (let n = 1; n < 200; n++) {
    limits.learn(caller, 200, {
      [`anthropic-ratelimit-unified-${n}h-reset`]: inHours(3),
      [`anthropic-ratelimit-unified-${n}h-utilization`]: '0.1',
    });
  }
  expect(rows.list().length).toBeLessThanOrEqual(20);
});
