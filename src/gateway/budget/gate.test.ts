import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { createLedger, type Ledger, nothing } from '../ledger/ledger.ts';
import { openSql } from '../ledger/sql.ts';
import type { Who } from '../ledger/who.ts';
import { createGate, type Entry } from './gate.ts';
import type { Need } from './level.ts';

const midnight = Date.UTC(2026, 10, 22);
const hour = 3_600_000;

function who(task: string, more: Partial<Who> = {}): Who {
  return {
    grant: `g${task}`,
    project: 'p',
    task,
    ralph: `ralph-${task}`,
    iteration: `it-${task}`,
    role: 'implementer',
    ...more,
  };
}

function need(tokens: number, more: Partial<Need> = {}): Need {
  return { inputTokens: tokens, outputTokens: 0, floorTokens: 0, usdBase: 0, usdPerOutputToken: 0, ...more };
}

function setup(start = midnight - 2 * hour) {
  const clock = createVirtualClock(start);
  const sql = openSql(':memory:');
  const disk = { isFull: false };
  const transaction: typeof sql.transaction = (work) => {
    if (disk.isFull) throw new Error('the disk is full');
    return sql.transaction(work);
  };
  const ledger = createLedger({ ...sql, transaction }, { now: clock.now, timeZone: 'UTC', bootId: 'b' });
  const gate = createGate({ ledger, clock });
  const enter = (
    task: string,
    tokens: number,
    more: { need?: Partial<Need>; who?: Partial<Who>; signal?: AbortSignal } = {},
  ) => {
    const entered: { entry: Entry | null; error: unknown } = { entry: null, error: null };
    const call = { who: who(task, more.who), model: 'm', priceKnown: true, need: need(tokens, more.need) };
    gate.enter(call, more.signal ?? new AbortController().signal).then(
      (entry) => {
        entered.entry = entry;
      },
      (error: unknown) => {
        entered.error = error;
      },
    );
    return entered;
  };
  const settled = async () => {
    for (let n = 0; n < 20; n++) await Promise.resolve();
  };
  const settle = async (entered: { entry: Entry | null }, tokens: number) => {
    if (entered.entry?.kind !== 'go') throw new Error('did not go');
    const spent = { ...nothing('m'), inputTokens: tokens, counted: 'said' as const };
    ledger.settle(entered.entry.id, { at: clock.now(), status: 200, refused: null, retryAt: null }, spent);
    gate.changed();
    await settled();
  };
  const limit = async (node: string, tokens: number, per: 'day' | 'total' = 'total') => {
    ledger.putBudgets([{ node, per, runSince: 0, tokens, usd: null, calls: null, warnAt: 0.8 }]);
    gate.changed();
    await settled();
  };
  return { clock, ledger, gate, disk, enter, settle, settled, limit };
}

const level = (ledger: Ledger, node: string, now = midnight - 2 * hour) => ledger.levels([node], now)[0];

describe('a call', () => {
  it('goes, is refused, or is held, by what stands at its levels', async () => {
    const { enter, settled, limit, settle, ledger } = setup();
    await limit('fleet', 1000);
    const first = enter('T1', 700);
    const second = enter('T2', 700);
    const never = enter('T3', 1001);
    await settled();
    expect(first.entry).toMatchObject({ kind: 'go' });
    expect(second.entry).toBeNull();
    // It could never go; but the one before it is asked first.
    expect(never.entry).toBeNull();
    await settle(first, 100);
    expect(second.entry).toMatchObject({ kind: 'go' });
    expect(never.entry).toMatchObject({
      kind: 'refuse',
      shortfall: { node: 'fleet', used: 100, limit: 1000, needed: 1001 },
    });
    expect(level(ledger, 'fleet')).toMatchObject({
      settled: { tokens: 100, calls: 1 },
      reserved: { tokens: 700, calls: 1 },
    });
  });

  it('waits its turn: the oldest first, and nobody passes it at a level both count at', async () => {
    const { enter, settled, limit, settle, gate } = setup();
    await limit('fleet', 1000);
    const open = enter('T1', 600);
    await settled();
    const large = enter('T2', 900);
    const small = enter('T3', 10);
    await settled();
    expect([large.entry, small.entry, gate.heldAt('fleet'), gate.heldAt('task:T3')]).toEqual([null, null, 2, 1]);
    await settle(open, 0);
    expect(large.entry).toMatchObject({ kind: 'go' });
    expect(small.entry).toMatchObject({ kind: 'go' });
    expect(gate.heldAt('fleet')).toBe(0);
  });

  it('does not wait for those at levels it does not count at', async () => {
    const { enter, settled, limit } = setup();
    await limit('task:T1', 1000);
    enter('T1', 800);
    await settled();
    const held = enter('T1', 800);
    const other = enter('T2', 800);
    const review = enter('T1', 800, { who: { role: 'reviewer', ralph: 'reviewer-1' } });
    await settled();
    expect([held.entry, other.entry?.kind, review.entry?.kind]).toEqual([null, 'go', 'go']);
  });

  it('goes when a limit is raised, and is refused when it is lowered', async () => {
    const { enter, settled, limit } = setup();
    await limit('project:p', 1000);
    enter('T1', 800);
    await settled();
    const one = enter('T2', 800);
    const two = enter('T3', 800);
    await settled();
    await limit('project:p', 1600);
    expect([one.entry?.kind, two.entry]).toEqual(['go', null]);
    await limit('project:p', 700);
    expect(two.entry?.kind).toBe('refuse');
  });

  it('goes with a new period, which has a limit of its own', async () => {
    const { enter, settled, limit, clock, ledger } = setup(midnight - 60_000);
    await limit('fleet', 1000, 'day');
    enter('T1', 800);
    await settled();
    const held = enter('T2', 800);
    await settled();
    expect(held.entry).toBeNull();
    while (held.entry === null && (await clock.step()));
    expect([held.entry?.kind, clock.now()]).toEqual(['go', midnight]);
    expect(level(ledger, 'fleet', midnight - 1)?.reserved).toMatchObject({ tokens: 800 });
    expect(level(ledger, 'fleet', midnight)?.reserved).toMatchObject({ tokens: 800 });
  });

  it('can be called off, and then stands in nobody’s way', async () => {
    const { enter, settled, limit, gate } = setup();
    await limit('fleet', 1000);
    enter('T1', 600);
    await settled();
    const leave = new AbortController();
    const large = enter('T2', 900, { signal: leave.signal });
    const small = enter('T3', 10);
    await settled();
    leave.abort();
    await settled();
    expect(large.error).toMatchObject({ name: 'AbortError' });
    expect([small.entry?.kind, gate.heldAt('fleet')]).toEqual(['go', 0]);
  });

  it('does not wait for ever', async () => {
    const { enter, settled, limit, clock, gate } = setup();
    const start = clock.now();
    await limit('fleet', 1000);
    enter('T1', 600);
    await settled();
    const held = enter('T2', 900);
    while (held.entry === null && (await clock.step()));
    expect(held.entry).toMatchObject({ kind: 'too long', shortfall: { node: 'fleet' } });
    expect([clock.now() - start, gate.heldAt('fleet')]).toEqual([300_000, 0]);
  });

  it('ends with the error of books that cannot be written, and those behind it find them mended', async () => {
    const { enter, settled, limit, clock, gate, disk } = setup();
    await limit('fleet', 1000);
    enter('T1', 600);
    await settled();
    const [first, second] = [enter('T2', 900), enter('T3', 300)];
    await settled();
    disk.isFull = true;
    expect(() => gate.changed()).not.toThrow();
    await settled();
    expect([first.error, second.error]).toMatchObject([
      { message: 'the disk is full' },
      { message: 'the disk is full' },
    ]);
    disk.isFull = false;
    const third = enter('T2', 900);
    await settled();
    await limit('fleet', 2000);
    expect([third.entry?.kind, gate.heldAt('fleet'), clock.step()]).toEqual(['go', 0, null]);
  });

  it('keeps to dollars and calls alike, and is lowered rather than refused', async () => {
    const { enter, settled, ledger } = setup();
    ledger.putBudgets([{ node: 'task:T1', per: 'total', runSince: 0, tokens: null, usd: 1, calls: 2, warnAt: 0.8 }]);
    const price = { outputTokens: 4000, floorTokens: 1024, usdBase: 0.5, usdPerOutputToken: 0.0002 };
    const lowered = enter('T1', 10, { need: price });
    await settled();
    expect(lowered.entry).toMatchObject({ kind: 'go', outputTokens: 2500 });
    const second = enter('T1', 10, { need: { ...price, usdBase: 0.9 } });
    await settled();
    expect(second.entry).toMatchObject({ kind: 'refuse', shortfall: { unit: 'usd', limit: 1 } });
  });
});
