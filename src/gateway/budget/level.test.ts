import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Level } from '../../contract/gateway.ts';
import { decide, gone, type Need, worstOf } from './level.ts';

const zero = { tokens: 0, usd: 0, calls: 0 };
const none = { tokens: null, usd: null, calls: null };

function level(more: Partial<Level>): Level {
  return {
    node: 'fleet',
    per: 'day',
    since: 0,
    until: 99,
    limit: none,
    settled: zero,
    reserved: zero,
    held: 0,
    ...more,
  };
}

const need: Need = {
  inputTokens: 1000,
  outputTokens: 4000,
  floorTokens: 1024,
  usdBase: 0.5,
  usdPerOutputToken: 0.0001,
};
const amounts = fc.record({
  tokens: fc.nat(20_000),
  usd: fc.double({ min: 0, max: 5, noNaN: true }),
  calls: fc.nat(5),
});
const limit = fc.record({
  tokens: fc.option(fc.integer({ min: 1, max: 20_000 })),
  usd: fc.option(fc.double({ min: 0.01, max: 5, noNaN: true })),
  calls: fc.option(fc.integer({ min: 1, max: 5 })),
});
const someLevels = fc.array(fc.record({ limit, settled: amounts, reserved: amounts }).map(level), {
  minLength: 1,
  maxLength: 4,
});
const someNeed = fc
  .record({
    inputTokens: fc.nat(10_000),
    outputTokens: fc.nat(10_000),
    floor: fc.nat(3000),
    usdBase: fc.double({ min: 0, max: 2, noNaN: true }),
  })
  .map(
    ({ floor, ...it }): Need => ({ ...it, floorTokens: Math.min(floor, it.outputTokens), usdPerOutputToken: 0.0001 }),
  );

describe('whether a call may go', () => {
  it('is yes when it fits at every level, as it is', () => {
    expect(decide([level({})], need)).toMatchObject({ kind: 'go', outputTokens: 4000 });
    const fits = level({ limit: { tokens: 5000, usd: 0.9, calls: 1 } });
    expect(decide([level({}), fits], need)).toEqual({ kind: 'go', outputTokens: 4000, worst: worstOf(need, 4000) });
  });

  it('is yes with a lower output limit where no more is left, and no below its floor', () => {
    expect(decide([level({ limit: { ...none, tokens: 3000 } })], need)).toMatchObject({
      kind: 'go',
      outputTokens: 2000,
    });
    expect(decide([level({ limit: { ...none, usd: 0.7 } })], need)).toMatchObject({ kind: 'go', outputTokens: 2000 });
    const short = level({ node: 'task:T1', limit: { ...none, tokens: 2000 }, settled: { ...zero, tokens: 1 } });
    expect(decide([level({}), short], need)).toEqual({
      kind: 'refuse',
      shortfall: { node: 'task:T1', unit: 'tokens', per: 'day', limit: 2000, used: 1, needed: 2024, until: 99 },
    });
    expect(decide([level({ limit: { ...none, calls: 2 }, settled: { ...zero, calls: 2 } })], need).kind).toBe('refuse');
  });

  it('is not yet when only the reservations of others stand in the way', () => {
    for (const unit of ['tokens', 'usd', 'calls'] as const) {
      const all = { tokens: 5000, usd: 0.9, calls: 1 };
      const held = level({ limit: { ...none, [unit]: all[unit] }, reserved: { ...zero, [unit]: all[unit] / 10 } });
      expect(decide([level({}), held], need)).toMatchObject({ kind: 'hold', shortfall: { unit } });
    }
  });

  it('never lets a limit be passed, and never refuses what would fit', () => {
    fc.assert(
      fc.property(someLevels, someNeed, (levels, wanted) => {
        const verdict = decide(levels, wanted);
        const fits = (output: number, beside: boolean) =>
          levels.every(({ limit: most, settled, reserved }) => {
            const worst = worstOf(wanted, output);
            return (['tokens', 'usd', 'calls'] as const).every((unit) => {
              const sum = settled[unit] + (beside ? reserved[unit] : 0) + worst[unit];
              return most[unit] === null || sum <= most[unit] + 1e-8;
            });
          });
        if (verdict.kind === 'go') {
          expect(fits(verdict.outputTokens, true)).toBe(true);
          expect(verdict.outputTokens).toBeGreaterThanOrEqual(wanted.floorTokens);
          expect(verdict.outputTokens).toBeLessThanOrEqual(wanted.outputTokens);
          // Lowered no more than it must be.
          if (verdict.outputTokens < wanted.outputTokens) expect(fits(verdict.outputTokens + 1, false)).toBe(false);
        } else if (verdict.kind === 'hold') expect(fits(wanted.floorTokens, false)).toBe(true);
        else expect(fits(wanted.floorTokens + 1, false)).toBe(false);
      }),
    );
  });

  it('is known beforehand where nothing at all is left', () => {
    expect(gone([level({ limit: { ...none, tokens: 10 }, settled: { ...zero, tokens: 9 } })])).toBeNull();
    const spent = level({ node: 'project:p', limit: { ...none, usd: 1 }, settled: { ...zero, usd: 1 } });
    expect(gone([level({}), spent])).toMatchObject({ node: 'project:p', unit: 'usd', used: 1, limit: 1, needed: 0 });
  });
});
