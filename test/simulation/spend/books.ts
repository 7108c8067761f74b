import type { Level, NodeBudget, Settlement } from '../../../src/contract/gateway.ts';
import { type Amounts, budgetChain, budgetUnits } from '../../../src/domain/budget.ts';
import { periodAt } from '../../../src/domain/budget-period.ts';
import type { Who } from '../../../src/gateway/ledger/who.ts';
import type { Disk } from './disk.ts';

/**
 * What really happened, kept beside the ledger by the one who plays world: the calls, what the provider will bill for each, the
 * limits that were set, what the daemon was told. `check` compares. A call is known again in the ledger by the name of its model.
 */
export interface TrueCall {
  who: Who;
  model: string;
  /** How many had been reserved before it; null while it is not. */
  nth: number | null;
  worst: Amounts;
  /** What the provider bills; nothing before it was sent. */
  billed: Amounts;
  /** The host lost its power while it stood in no book on the disk. */
  isLost: boolean;
}

export interface Books {
  calls: TrueCall[];
  /** As the daemon has set them last. */
  limits: Map<string, NodeBudget>;
  /** A run begins now. */
  beginRun(at: number): void;
  /** What the daemon has read. */
  told: Settlement[];
  /** A call got its reservation: no limit of any of its levels is passed. */
  reserved(model: string, worst: Amounts, at: number): string[];
  /** After each event; `levels` is the ledger's own word, null while no gateway runs. */
  check(levels: readonly Level[] | null, now: number): string[];
}

interface Row extends Amounts {
  kind: 'settled' | 'reserved';
  seq: number;
  who: Who;
  model: string;
  opened: number;
  flags: string[];
}

export const none: Amounts = { tokens: 0, usd: 0, calls: 0 };
/** The worst case of a call is not known before it is reserved, nor where the gateway died of that. */
export const unknown: Amounts = { tokens: Infinity, usd: Infinity, calls: Infinity };
const slackUsd = 1e-6;

export function createBooks(disk: Disk, timeZone: string): Books {
  const calls: TrueCall[] = [];
  const limits: Books['limits'] = new Map();
  /** Calls that had been reserved when a run began. */
  const begun = new Map<number, number>();
  let reservations = 0;
  const told: Settlement[] = [];
  let seen = { ...disk.version(), settled: [] as Row[], all: [] as Row[] };

  /** What was settled stays as it is, unless the host lost its power. */
  function rows(): Row[] {
    const { cuts, written } = disk.version();
    if (cuts === seen.cuts && written === seen.written) return seen.all;
    const known = cuts === seen.cuts ? seen.settled : [];
    const settled = [...known, ...readSettled(disk, known.at(-1)?.seq ?? 0)];
    seen = { cuts, written, settled, all: [...settled, ...readReserved(disk)] };
    return seen.all;
  }

  const periods = new Map<string, ReturnType<typeof periodAt>>();

  function periodOf({ per, runSince }: Pick<NodeBudget, 'per' | 'runSince'>, at: number): ReturnType<typeof periodAt> {
    const key = `${per} ${Math.floor(at / 900_000)}`;
    const known = periods.get(key) ?? periodAt(per, at, { timeZone, runSince });
    if (per === 'day' || per === 'month') periods.set(key, known);
    return known;
  }

  /** Summed from the rows alone, without the ledger's caches. */
  function sumAt(node: string, now: number): Record<'settled' | 'reserved', Amounts> {
    const { per, runSince } = limits.get(node) ?? { per: 'total', runSince: 0 };
    // While the clock is behind the beginning of a run, that is the time.
    const runs = [...limits.values()].filter((limit) => limit.per === 'run').map((limit) => limit.runSince);
    const { start, end } = periodOf({ per, runSince }, Math.max(now, ...runs));
    // A run is what was begun after it began, also when the clock was set back meanwhile.
    const isOfRun = (row: Row) => per === 'run' && (callOf(calls, row.model)?.nth ?? -1) >= (begun.get(runSince) ?? 0);
    const isIn = (row: Row) =>
      budgetChain(row.who).includes(node) &&
      ((row.opened >= start && (end === null || row.opened < end)) || isOfRun(row));
    const own = rows().filter(isIn);
    const sum = (kind: Row['kind']) => own.filter((row) => row.kind === kind).reduce(add, none);
    return { settled: sum('settled'), reserved: sum('reserved') };
  }

  function noteReserved(model: string, worst: Amounts, at: number): string[] {
    const call = callOf(calls, model);
    if (call === null) return [`${model} is a call of nobody`];
    Object.assign(call, { nth: reservations++, worst });
    return budgetChain(call.who).flatMap((node) => {
      const limit = limits.get(node);
      const { settled, reserved } = sumAt(node, at);
      return budgetUnits.flatMap((unit) => {
        const most = limit?.[unit] ?? Number.POSITIVE_INFINITY;
        const sum = settled[unit] + reserved[unit];
        return sum <= most + slackUsd ? [] : [`${node} was let ${sum} ${unit} where ${most} are the limit`];
      });
    });
  }

  /** Every call that went up stands in the books exactly once, at what is billed or more, and at no more than its worst case. */
  function checkCalls(): string[] {
    const byModel = Map.groupBy(rows(), (row) => row.model);
    return calls.flatMap((call) => {
      const own = byModel.get(call.model) ?? [];
      if (own.length === 0) return call.isLost || call.billed === none ? [] : [`${call.model} stands in no book`];
      const [row] = own;
      if (own.length > 1 || row === undefined) return [`${call.model} stands ${own.length} times in the books`];
      return budgetUnits.flatMap((unit) => {
        if (row[unit] < call.billed[unit] - slackUsd)
          return [`${call.model}: ${unit} ${row[unit]} < ${call.billed[unit]} billed`];
        if (row[unit] > call.worst[unit] + slackUsd)
          return [`${call.model}: ${unit} ${row[unit]} > ${call.worst[unit]} at worst`];
        return [];
      });
    });
  }

  /** What the host's last moment has swallowed is within what was counted for it. */
  function checkLost(): string[] {
    const counted = Map.groupBy(
      rows().filter((row) => row.flags.includes('power-cut')),
      (row) => row.who.grant,
    );
    const lost = Map.groupBy(
      calls.filter((call) => call.isLost),
      (call) => call.who.grant,
    );
    return [...lost].flatMap(([grant, own]) => {
      const billed = own.map((call) => call.billed).reduce(add, none);
      const sum = (counted.get(grant) ?? []).reduce(add, none);
      return budgetUnits
        .filter((unit) => sum[unit] < billed[unit] - slackUsd)
        .map((unit) => `${grant}: the power cut hid ${billed[unit]} ${unit}, ${sum[unit]} are counted for it`);
    });
  }

  function checkLevels(levels: readonly Level[], now: number): string[] {
    return levels.flatMap((level) => {
      const own = sumAt(level.node, now);
      return budgetUnits.flatMap((unit) => {
        const [settled, reserved] = [own.settled[unit], own.reserved[unit]];
        const isRight = near(level.settled[unit], settled) && near(level.reserved[unit], reserved);
        const says = `${level.settled[unit]} + ${level.reserved[unit]}`;
        const limit = limits.get(level.node)?.[unit] ?? null;
        if (limit !== level.limit[unit]) return [`${level.node} holds ${level.limit[unit]} ${unit}, ${limit} was set`];
        return isRight ? [] : [`${level.node} says ${says} ${unit}, its rows ${settled} + ${reserved}`];
      });
    });
  }

  function checkTold(): string[] {
    const seqs = disk.all('SELECT seq, model, usd FROM settlements ORDER BY seq');
    const isGapFree = seqs.every((row, at) => row['seq'] === at + 1);
    const isSame = told.every((it, at) => it.seq === seqs[at]?.['seq'] && it.usd === seqs[at]?.['usd']);
    return [
      ...(isGapFree ? [] : ['settlements have a gap']),
      ...(isSame ? [] : ['the daemon was told what is not so']),
    ];
  }

  return {
    ...{ calls, limits, told, reserved: noteReserved },
    beginRun: (at) => void begun.set(at, begun.get(at) ?? reservations),
    check: (levels, now) => [
      ...checkCalls(),
      // While no gateway runs, what it swallowed is not counted yet.
      ...(levels === null ? [] : [...checkLost(), ...checkLevels(levels, now)]),
      ...checkTold(),
    ],
  };
}

const who = 'grant_id AS "grant", project, task, ralph, iteration, role';

function readSettled(disk: Disk, after: number): Row[] {
  const rows = disk.all(
    `SELECT seq, ${who}, model, opened, input + cache_write + output AS tokens, usd, calls,
       json_extract(more, '$.flags') AS flags FROM settlements WHERE seq > ? ORDER BY seq`,
    after,
  );
  return rows.map((row) => rowOf('settled', row));
}

function readReserved(disk: Disk): Row[] {
  const sql = `SELECT 0 AS seq, ${who}, model, at AS opened, input + output AS tokens, usd, 1 AS calls, '[]' AS flags`;
  return disk.all(`${sql} FROM reservations`).map((row) => rowOf('reserved', row));
}

function rowOf(kind: Row['kind'], row: Record<string, unknown>): Row {
  const { seq, grant, project, task, ralph, iteration, role, model, opened, tokens, usd, calls, flags } = row as never;
  const amounts = { tokens, usd, calls };
  return {
    kind,
    seq,
    who: { grant, project, task, ralph, iteration, role },
    model,
    opened,
    ...amounts,
    flags: JSON.parse(flags),
  };
}

function callOf(calls: readonly TrueCall[], model: string): TrueCall | null {
  const at = /\[c(\d+)\]$/.exec(model)?.[1];
  return at === undefined ? null : (calls[Number(at)] ?? null);
}

export function add(one: Amounts, other: Amounts): Amounts {
  return { tokens: one.tokens + other.tokens, usd: one.usd + other.usd, calls: one.calls + other.calls };
}

function near(one: number, other: number): boolean {
  return Math.abs(one - other) < slackUsd;
}
