import { describe, expect, it } from 'vitest';
import type { Sql } from '../../../src/gateway/ledger/sql.ts';
import { replayCommand, simulateMany } from '../pool.ts';
import { simulateSpend } from './spend.ts';

const schedules = Number(process.env['SIM_SPEND_SEEDS'] ?? 150);

describe('the books of the gateway', () => {
  it(`hold every limit and hide no call in ${schedules} schedules of calls, crashes and power cuts`, async () => {
    const { schedules: played, failed } = await simulateMany('spend', { from: 1, count: schedules, threads: 2 });
    const told =
      failed === null ? '' : `${failed.violations.slice(0, 5).join('\n')}\n${replayCommand('spend', failed.seed)}`;
    expect(told).toBe('');
    expect(played).toBe(schedules);
  });

  it('do the same again with the same seed', async () => {
    for (const seed of [3, 17, 40]) {
      const once = await simulateSpend(seed, { withTrace: true });
      expect(once.trace.length).toBeGreaterThan(50);
      expect(await simulateSpend(seed, { withTrace: true })).toEqual(once);
    }
  });
});

/** The first violation of a ledger on a database like this one. */
async function firstViolation(bend: (sql: Sql) => Sql): Promise<string> {
  for (let seed = 1; seed <= 200; seed++) {
    const [violation] = (await simulateSpend(seed, { bend })).violations;
    if (violation !== undefined) return violation;
  }
  return 'none was found';
}

const nothing = { tokens: 0, usd: 0, calls: 0 };

describe('the simulation notices', () => {
  it('settlements that nobody looks at', async () => {
    const told = await firstViolation((sql) => ({
      ...sql,
      get: (text, ...values) => (/FROM periods\s+WHERE/.test(text) ? nothing : sql.get(text, ...values)),
    }));
    expect(told).toMatch(/was let [\d.]+ (tokens|usd|calls) where [\d.]+ are the limit|says .* its rows/);
  });

  it('reservations in memory that are not those of the books', async () => {
    const told = await firstViolation((sql) => ({
      ...sql,
      run: (text, ...values) =>
        text.startsWith('DELETE FROM reservations') ? { changes: 1 } : sql.run(text, ...values),
    }));
    expect(told).toMatch(/says .* its rows|times in the books|reservations were left/);
  });

  it('a gateway that forgets at its start what was open', async () => {
    const told = await firstViolation((sql) => ({
      ...sql,
      all: (text, ...values) => (/FROM reservations$/.test(text) ? [] : sql.all(text, ...values)),
    }));
    expect(told).toMatch(/says .* its rows|reservations were left|never came to rest/);
  });

  it('calls that leave before the disk has what they may cost', async () => {
    const told = await firstViolation((sql) => ({ ...sql, sync: async () => {} }));
    expect(told).toMatch(/the power cut hid|was told what is not so/);
  });

  it('a power cut whose count dies with the gateway that makes it', async () => {
    const told = await firstViolation((sql) => ({
      ...sql,
      all: (text, ...values) => (/FROM advances WHERE boot/.test(text) ? [] : sql.all(text, ...values)),
    }));
    expect(told).toMatch(/the power cut hid/);
  });
});
