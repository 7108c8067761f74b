import type { SQLInputValue } from 'node:sqlite';
import { z } from 'zod';
import {
  type Grant,
  grantSchema,
  type Level,
  type NodeBudget,
  type Settlement,
  type Settlements,
  type SpentBy,
  settlementMore,
  settlementSchema,
  type Tunnel,
  tunnelSchema,
} from '../../contract/gateway.ts';
import { budgetChain } from '../../domain/budget.ts';
import { FleetError } from '../../lib/errors.ts';
import { decide, type Need, type Verdict } from '../budget/level.ts';
import { createAccounts } from './accounts.ts';
import { createAdvances } from './advances.ts';
import { createLimitRows, type LimitRows } from './limits.ts';
import { createReservations, type Reservation } from './reservations.ts';
import { createSaid, type SaidBook } from './said.ts';
import { type After, openSql, type Sql } from './sql.ts';
import { type Who, whoColumns, whoValues } from './who.ts';

/**
 * The gateway's books (`gas.db`), written by this process only. A call's life:
 *
 *   reserve (before a byte goes up, at its worst case) -> settle (once, with what is known at its end)
 *
 * Invariants: settled + reserved is within every limit of every level after each reserve; a reservation becomes exactly one
 * settlement, also when the gateway is killed in between (the next start settles it at its worst case, and says so); seq is
 * gap-free and settlements are never changed.
 */
export interface Ledger extends SaidBook {
  putGrant(id: string, grant: Grant): void;
  /** Stays known as expired, so that a late call is refused with its name on it. False when there is none. */
  endGrant(id: string, now: number): boolean;
  findGrant(tokenHash: string): OpenGrant | null;
  putBudgets(budgets: readonly NodeBudget[]): void;
  levels(nodes: readonly string[], now: number): Level[];
  spentBy(node: string, now: number): SpentBy;
  /** Stores the worst case of a call if it may go. */
  reserve(call: Reserving): Reserved;
  /** Reservations that are not settled. */
  open(): number[];
  /** Settles these, where they are still open, at their worst case; how many that were. */
  giveUp(reservations: readonly number[]): number;
  /** Null when the call was settled before. */
  settle(reservation: number, end: End, counted: Counted): Settlement | null;
  /** For what never reached the upstream. */
  settleRefusal(who: Who, end: End, shortfall: Settlement['shortfall']): Settlement;
  settlements(after: number, limit: number): Settlements;
  /** The same, once it is on the disk: who is told counts on it. */
  told(after: number, limit: number): Promise<Settlements>;
  /** Resolves once all that was written before is on the disk. */
  sync(): Promise<void>;
  putTunnel(vm: string, tunnel: Tunnel): void;
  deleteTunnel(vm: string): boolean;
  tunnels(): { vm: string; tunnel: Tunnel }[];
  limits: LimitRows;
  close(): void;
}

export type OpenGrant = Grant & { id: string };
export type End = Pick<Settlement, 'at' | 'status' | 'refused' | 'retryAt'> & { fault?: Settlement['fault'] };

export interface Reserving {
  who: Who;
  at: number;
  model: string;
  priceKnown: boolean;
  need: Need;
  /** How long it was held before. */
  heldMs: number;
}

/** `stored`: the call may leave when it resolves. */
export type Reserved =
  | (Extract<Verdict, { kind: 'go' }> & { id: number; stored: Promise<void> })
  | Exclude<Verdict, { kind: 'go' }>;

/** What a call came to, and how that is known. */
export type Counted = Pick<
  Settlement,
  'model' | 'inputTokens' | 'cacheWriteTokens' | 'cacheReadTokens' | 'outputTokens' | 'usd' | 'counted' | 'flags'
> & { priceKnown: boolean; imputed?: boolean };

/** Commits after which the log is moved into the database: when nothing is open, and at the latest. */
const fewCommits = 200;
const manyCommits = 4000;
/** Calls that one gateway may carry in its life. */
const perStart = 2 ** 32;

const amountColumns =
  'model, input AS inputTokens, cache_write AS cacheWriteTokens, cache_read AS cacheReadTokens, output AS outputTokens, ' +
  'usd, price_known AS priceKnown';
const grantColumns =
  'id, token_hash AS tokenHash, vm, project, task, ralph, iteration, role, expires_at AS expiresAt, marks, trace';
const insertSettlement = `INSERT INTO settlements
  (at, grant_id, project, task, ralph, iteration, role, model, input, cache_write, cache_read, output, usd, price_known, status,
   refused, retry_at, opened, calls, more) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq`;

const grantRowSchema = grantSchema.extend({ id: z.string() });
const grantOf = (row: Record<string, unknown>): OpenGrant =>
  grantRowSchema.parse({ ...row, marks: JSON.parse(String(row['marks'])), trace: JSON.parse(String(row['trace'])) });
const moreSchema = z.object(settlementMore).omit({ role: true });
const noTells = moreSchema.parse({});
const rowSchema = settlementSchema
  .omit({
    counted: true,
    flags: true,
    imputed: true,
    worst: true,
    lowered: true,
    heldMs: true,
    shortfall: true,
    warnings: true,
    fault: true,
  })
  .extend({ priceKnown: z.number().transform((it) => it === 1), more: z.string() })
  .transform(({ more, ...row }): Settlement => ({ ...row, ...moreSchema.parse(JSON.parse(more)) }));

interface Frame {
  now: () => number;
  /** Where days and months begin. */
  timeZone: string;
  /** Another one than before: the host went down meanwhile. */
  bootId: string;
  /** For what has a little time. */
  after?: After;
  /** Reservations that another living process will end. */
  elsewhere?: readonly number[];
}

export function openLedger(path: string, frame: Frame): Ledger {
  return createLedger(openSql(path, frame.after), frame);
}

/** On a database that may have been left by another: what it left open is settled first. */
export function createLedger(sql: Sql, { now, timeZone, bootId, elsewhere = [] }: Frame): Ledger {
  const { run, get, all } = sql;
  const reservations = createReservations(sql);
  const accounts = createAccounts(sql, timeZone, reservations);
  const advances = createAdvances(sql, bootId);
  const said = createSaid(sql, now);
  /** As they were last asked for; only this process changes them. */
  const grants = new Map<string, OpenGrant>();
  let sinceCheckpoint = 0;
  let lastId = Number(get('UPDATE starts SET n = n + 1 RETURNING n')?.['n']) * perStart;

  function append(
    who: Who,
    counted: Counted,
    end: End,
    more: { opened: number; calls: number; tells: Partial<typeof noTells> },
  ) {
    const { counted: how, flags, imputed = false, ...amounts } = counted;
    const { fault = null, ...ended } = end;
    const spent = {
      tokens: amounts.inputTokens + amounts.cacheWriteTokens + amounts.outputTokens,
      usd: amounts.usd,
      calls: more.calls,
    };
    const isNothing = spent.tokens === 0 && spent.usd === 0 && spent.calls === 0;
    const warnings = isNothing ? [] : accounts.add(budgetChain(who), spent, more.opened, end.at);
    const tells = { ...noTells, counted: how, flags, imputed, warnings, fault, ...more.tells };
    const row = get(
      insertSettlement,
      ...[end.at, ...whoValues(who), ...amountValues(amounts), end.status, end.refused, end.retryAt],
      ...[more.opened, more.calls, JSON.stringify(tells)],
    );
    return { seq: Number(row?.['seq']), ...who, ...amounts, ...ended, ...tells };
  }

  /** The log is moved into the database when no call waits for it, or when it has grown long. */
  function checkpoint(): void {
    sinceCheckpoint += 1;
    const isIdle = reservations.ids().length === 0;
    if (sinceCheckpoint < manyCommits && !(sinceCheckpoint > fewCommits && isIdle)) return;
    sinceCheckpoint = 0;
    sql.checkpoint();
  }

  function settle(reservation: number, end: End, counted: Counted | null): Settlement | null {
    const found = reservations.find(reservation);
    if (found === null) return null;
    const { id, who, at, input, output, usd, loweredFrom, heldMs } = found;
    const settlement = sql.transaction(() => {
      reservations.delete(id);
      const lowered = loweredFrom === null ? null : { from: loweredFrom, to: output };
      const tells = { worst: { tokens: input + output, usd }, lowered, heldMs };
      const calls = counted?.counted === 'nothing' && end.status === 0 ? 0 : 1;
      return append(who, counted ?? worstOf(found), end, { opened: at, calls, tells });
    });
    reservations.dropped(id);
    return settlement;
  }

  function settlements(after: number, limit: number): Settlements {
    const query = `SELECT seq, at, ${whoColumns}, ${amountColumns}, status, refused, retry_at AS retryAt, more
      FROM settlements WHERE seq > ? ORDER BY seq LIMIT ?`;
    const last = get('SELECT coalesce(max(seq), 0) AS last FROM settlements')?.['last'];
    return { settlements: all(query, after, limit).map((row) => rowSchema.parse(row)), last: Number(last) };
  }

  const giveUp = (ids: readonly number[]) =>
    ids.filter((id) => settle(id, { at: now(), status: 0, refused: 'upstream', retryAt: null }, null) !== null).length;

  const others = new Set(elsewhere);
  giveUp(reservations.ids().filter((id) => !others.has(id)));
  sql.transaction(() => {
    for (const { who, lost } of advances.recover()) {
      const end = { at: now(), status: 0, refused: 'upstream', retryAt: null } as const;
      const { tokens: inputTokens, usd, calls } = lost;
      const counted: Counted = { ...nothing(''), inputTokens, usd, counted: 'worst', flags: ['power-cut'] };
      append(who, counted, end, { opened: accounts.time(end.at), calls, tells: {} });
    }
  });

  return {
    ...said,
    putGrant: (id, grant) => {
      const owner = get('SELECT id FROM grants WHERE token_hash = ?', grant.tokenHash)?.['id'];
      if (owner !== undefined && owner !== id) {
        throw new FleetError('refused', `Grant \`${id}\` has the same token as grant \`${owner}\`.`);
      }
      const { tokenHash, vm, project, task, ralph, iteration, role, expiresAt, marks, trace } = grant;
      grants.clear();
      run(
        `INSERT OR REPLACE INTO grants (id, token_hash, vm, project, task, ralph, iteration, role, expires_at, marks, trace)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ...[id, tokenHash, vm, project, task, ralph, iteration, role, expiresAt],
        ...[JSON.stringify(marks), JSON.stringify(trace)],
      );
    },
    endGrant: (id, at) => {
      advances.end(id);
      grants.clear();
      return run('UPDATE grants SET expires_at = min(expires_at, ?) WHERE id = ?', at, id).changes > 0;
    },
    findGrant: (tokenHash) => {
      const known = grants.get(tokenHash);
      if (known !== undefined) return known;
      const row = get(`SELECT ${grantColumns} FROM grants WHERE token_hash = ?`, tokenHash);
      if (row === undefined) return null;
      const grant = grantOf(row);
      grants.set(tokenHash, grant);
      return grant;
    },
    putBudgets: (budgets) => sql.transaction(() => accounts.put(budgets)),
    levels: accounts.levels,
    spentBy: accounts.spentBy,
    reserve: ({ who, at, model, priceKnown, need, heldMs }) => {
      const reserved = sql.transaction(() => {
        const verdict = decide(accounts.levels(budgetChain(who), at), need);
        if (verdict.kind !== 'go') return verdict;
        const { outputTokens: output, worst } = verdict;
        lastId += 1;
        const loweredFrom = output < need.outputTokens ? need.outputTokens : null;
        const amounts = { input: need.inputTokens, output, usd: worst.usd };
        const call = { id: lastId, who, at: accounts.time(at), model, priceKnown, ...amounts, loweredFrom, heldMs };
        reservations.insert(call);
        return { ...verdict, call };
      });
      if (!('call' in reserved)) return reserved;
      const { call, ...verdict } = reserved;
      reservations.noted(call);
      return { ...verdict, id: call.id, stored: advances.take(who, verdict.worst) };
    },
    open: reservations.ids,
    giveUp,
    settle: (reservation, end, counted) => {
      const settlement = settle(reservation, end, counted);
      checkpoint();
      return settlement;
    },
    settleRefusal: (who, end, shortfall) =>
      sql.transaction(() => append(who, nothing(''), end, { opened: end.at, calls: 0, tells: { shortfall } })),
    settlements,
    sync: sql.sync,
    told: async (after, limit) => {
      const page = settlements(after, limit);
      await sql.sync();
      return page;
    },
    putTunnel: (vm, tunnel) => void run('INSERT OR REPLACE INTO tunnels VALUES (?, ?)', vm, JSON.stringify(tunnel)),
    deleteTunnel: (vm) => run('DELETE FROM tunnels WHERE vm = ?', vm).changes > 0,
    tunnels: () =>
      all('SELECT vm, spec FROM tunnels ORDER BY vm').map((row) => ({
        vm: String(row['vm']),
        tunnel: tunnelSchema.parse(JSON.parse(String(row['spec']))),
      })),
    limits: createLimitRows(sql),
    close: sql.close,
  };
}

function worstOf({ model, priceKnown, input, output, usd }: Reservation): Counted {
  const amounts = { inputTokens: input, cacheWriteTokens: 0, cacheReadTokens: 0, outputTokens: output, usd };
  return { model, priceKnown, ...amounts, counted: 'worst', flags: ['unsettled'] };
}

/** It cost nothing: it never went up, or the provider refused it. */
export function nothing(model: string): Counted {
  const zero = { inputTokens: 0, cacheWriteTokens: 0, cacheReadTokens: 0, outputTokens: 0, usd: 0 };
  return { model, ...zero, priceKnown: true, counted: 'nothing', flags: [] };
}

function amountValues(it: Omit<Counted, 'counted' | 'flags'>): SQLInputValue[] {
  const tokens = [it.inputTokens, it.cacheWriteTokens, it.cacheReadTokens, it.outputTokens];
  return [it.model, ...tokens, it.usd, it.priceKnown ? 1 : 0];
}
