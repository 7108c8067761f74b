import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createVirtualClock, type VirtualClock } from '../../../test/simulation/virtual-clock.ts';
import type { Level } from '../../contract/gateway.ts';
import { budgetChain } from '../../domain/budget.ts';
import { createLedger, type Ledger, nothing } from '../ledger/ledger.ts';
import { openSql, type Sql } from '../ledger/sql.ts';
import type { Who } from '../ledger/who.ts';
import { createGate, type Entry, type Gate } from './gate.ts';
import type { Need } from './level.ts';

/**
 * Spend, over random interleavings of calls, their ends, crashes of the gateway, limits set higher and lower, people who go away
 * and days that end: settled + reserved never passes a limit, and what is settled is the sum of what was said.
 */
const start = Date.UTC(2026, 10, 21, 20);
const units = ['tokens', 'usd', 'calls'] as const;

type Move =
  | { kind: 'call'; caller: number; input: number; output: number; floor: number }
  | { kind: 'end'; which: number; share: number; how: 'said' | 'worst' | 'nothing' }
  | { kind: 'leave'; which: number }
  | { kind: 'limit'; node: number; unit: number; amount: number | null; per: 'day' | 'total' | 'run' }
  | { kind: 'crash' }
  | { kind: 'wait'; minutes: number };

const callers: Who[] = ['T1', 'T2', 'T3'].flatMap((task, at) =>
  (['implementer', 'reviewer'] as const).map((role) => ({
    ...{
      grant: `${task}-${role}`,
      project: at < 2 ? 'p' : 'q',
      task,
      role,
      ralph: `${role}-${at % 2}`,
      iteration: `it-${task}`,
    },
  })),
);
const nodes = [...new Set(callers.flatMap((who) => budgetChain(who)))];

const moves = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        ...{
          kind: fc.constant('call' as const),
          caller: fc.nat(5),
          input: fc.nat(500),
          output: fc.nat(500),
          floor: fc.nat(300),
        },
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        ...{ kind: fc.constant('end' as const), which: fc.nat(), share: fc.double({ min: 0, max: 1, noNaN: true }) },
        how: fc.constantFrom('said', 'worst', 'nothing'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), which: fc.nat() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        ...{ kind: fc.constant('limit' as const), node: fc.nat(nodes.length - 1), unit: fc.nat(2) },
        amount: fc.option(fc.integer({ min: 1, max: 2500 })),
        per: fc.constantFrom('day', 'total', 'run'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), minutes: fc.nat(300) }) },
  ) as fc.Arbitrary<Move>,
  { minLength: 10, maxLength: 60, size: 'max' },
);

interface Call {
  who: Who;
  leave: AbortController;
  entry: Entry | null;
  isOver: boolean;
  opened: number;
}

function needOf({ input, output, floor }: Extract<Move, { kind: 'call' }>): Need {
  const floorTokens = Math.min(output, floor);
  return { inputTokens: input, outputTokens: output, floorTokens, usdBase: input / 100, usdPerOutputToken: 0.05 };
}

const dead = { node: 'fleet', unit: 'tokens', per: 'total', limit: 0, used: 0, needed: 0, until: null } as const;

class Books {
  readonly clock: VirtualClock = createVirtualClock(start);
  readonly sql: Sql = openSql(':memory:');
  readonly calls: Call[] = [];
  readonly limits = new Map<string, Record<(typeof units)[number], number | null>>();
  ledger: Ledger = this.born();
  gate: Gate = this.opened(this.ledger);
  before = new Map<string, Level>();
  /** What was settled, kept here a second time. */
  readonly spent: { who: Who; opened: number; tokens: number }[] = [];

  born(): Ledger {
    return createLedger(this.sql, { now: this.clock.now, timeZone: 'Europe/Berlin', bootId: 'b' });
  }

  /** A gate whose process may die: then nothing of it reaches the books any more, though its timers still run here. */
  opened(ledger: Ledger): Gate {
    const isDead = () => this.ledger !== ledger;
    const reserve: Ledger['reserve'] = (call) => (isDead() ? { kind: 'hold', shortfall: dead } : ledger.reserve(call));
    return createGate({ ledger: { ...ledger, reserve }, clock: this.clock });
  }

  async play(move: Move): Promise<void> {
    if (move.kind === 'call') this.call(move);
    else if (move.kind === 'end') this.end(move);
    else if (move.kind === 'leave') pick(this.calls.filter(isHeld), move.which)?.leave.abort();
    else if (move.kind === 'limit') this.limit(move);
    else if (move.kind === 'crash') this.crash();
    else this.clock.sleep(move.minutes * 60_000).then(() => {});
    if (move.kind === 'wait') while ((await this.clock.step()) && this.calls.some(isHeld));
    for (let n = 0; n < 10; n++) await Promise.resolve();
  }

  call(move: Extract<Move, { kind: 'call' }>): void {
    const who = callers[move.caller] as Who;
    const call: Call = { who, leave: new AbortController(), entry: null, isOver: false, opened: 0 };
    this.calls.push(call);
    this.gate.enter({ who, model: 'm', priceKnown: true, need: needOf(move) }, call.leave.signal).then(
      (entry) => {
        call.entry = entry;
        call.opened = this.clock.now();
      },
      () => {
        call.isOver = true;
      },
    );
  }

  /** An honest provider: never more than the worst case. */
  end({ which, share, how }: Extract<Move, { kind: 'end' }>): void {
    const call = pick(this.calls.filter(isOpen), which);
    if (call?.entry?.kind !== 'go') return;
    const { id, worst } = call.entry;
    const part = { said: share, worst: 1, nothing: 0 }[how];
    const inputTokens = Math.floor(worst.tokens * part);
    const counted = { ...nothing('m'), inputTokens, usd: worst.usd * part, counted: how };
    this.ledger.settle(id, { at: this.clock.now(), status: 200, refused: null, retryAt: null }, counted);
    call.isOver = true;
    this.spent.push({ who: call.who, opened: call.opened, tokens: inputTokens });
    this.gate.changed();
  }

  limit({ node: at, unit, amount, per }: Extract<Move, { kind: 'limit' }>): void {
    const node = nodes[at] as string;
    const limits = this.limits.get(node) ?? { tokens: null, usd: null, calls: null };
    limits[units[unit] as 'usd'] =
      unit === 2 && amount !== null ? Math.ceil(amount / 300) : unit === 1 && amount !== null ? amount / 100 : amount;
    this.limits.set(node, limits);
    this.ledger.putBudgets([{ node, per, runSince: start, warnAt: 0.8, ...limits }]);
    this.before.delete(node);
    this.gate.changed();
  }

  /** Killed: nobody settles what was open, and who waited is gone. What was open counts at its worst case, and says so. */
  crash(): void {
    const open = this.calls.flatMap((call) => {
      if (!isOpen(call) || call.entry?.kind !== 'go') return [];
      this.spent.push({ who: call.who, opened: call.opened, tokens: call.entry.worst.tokens });
      return [call.entry.worst];
    });
    const { last } = this.ledger.settlements(0, 1);
    for (const call of this.calls) if (!call.isOver && call.entry?.kind !== 'refuse') call.isOver = true;
    this.ledger = this.born();
    this.gate = this.opened(this.ledger);
    const { settlements } = this.ledger.settlements(last, 1000);
    const tokens = settlements.map((it) => it.inputTokens + it.outputTokens);
    expect(tokens.sort()).toEqual(open.map((worst) => worst.tokens).sort());
    expect(settlements.every((it) => it.counted === 'worst' && it.flags.includes('unsettled'))).toBe(true);
  }

  check(): void {
    for (const level of this.ledger.levels(nodes, this.clock.now())) {
      const was = this.before.get(level.node);
      for (const unit of units) {
        const sum = level.settled[unit] + level.reserved[unit];
        const limit = level.limit[unit];
        // A limit set below what was spent is passed already; then nothing may be added.
        const isSame = was !== undefined && was.since === level.since;
        const most = Math.max(
          limit ?? Number.POSITIVE_INFINITY,
          isSame ? was.settled[unit] + was.reserved[unit] : sumNow(level, unit, was),
        );
        expect(sum, `${level.node} ${unit} of ${limit}`).toBeLessThanOrEqual(most + 1e-6);
      }
      this.before.set(level.node, level);
      const own = this.spent.filter(
        ({ who, opened }) => budgetChain(who).includes(level.node) && opened >= level.since,
      );
      expect(level.settled.tokens, level.node).toBe(own.reduce((sum, it) => sum + it.tokens, 0));
    }
    const { settlements } = this.ledger.settlements(0, 10_000);
    expect(settlements.map((it) => it.seq)).toEqual(settlements.map((_, at) => at + 1));
  }
}

/** The first look at a level after its limit was set: what is there already is where it starts from. */
function sumNow(level: Level, unit: (typeof units)[number], was: Level | undefined): number {
  return was === undefined ? level.settled[unit] + level.reserved[unit] : 0;
}

const isOpen = (call: Call) => !call.isOver && call.entry?.kind === 'go';
const isHeld = (call: Call) => !call.isOver && call.entry === null;

function pick<T>(from: readonly T[], which: number): T | undefined {
  return from[which % Math.max(1, from.length)];
}

it('settled and reserved together never pass a limit', async () => {
  await fc.assert(
    fc.asyncProperty(moves, async (all) => {
      const books = new Books();
      const first = { kind: 'limit', unit: 0, per: 'day' } as const;
      for (const [node, amount] of [1500, 1200, 800, 400].entries()) await books.play({ ...first, node, amount });
      for (const move of all) {
        await books.play(move);
        books.check();
      }
      // Once every call has ended nobody waits any more: each went, or was told no.
      for (let n = 0; n < 200 && books.calls.some((call) => isOpen(call) || isHeld(call)); n++) {
        await books.play({ kind: 'end', which: 0, share: 0.5, how: 'said' });
        books.check();
      }
      expect(books.calls.filter((call) => isOpen(call) || isHeld(call))).toEqual([]);
      const open = books.ledger.levels(nodes, books.clock.now()).map((level) => level.reserved);
      expect(open.every((it) => it.tokens === 0 && it.calls === 0)).toBe(true);
      books.sql.close();
    }),
    // A failure is made small for so long; what was found by then is shown.
    { numRuns: 40, interruptAfterTimeLimit: 40_000 },
  );
}, 60_000);
