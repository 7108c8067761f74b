import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { z } from 'zod';
import {
  type Grant,
  grantSchema,
  type Settlement,
  type Settlements,
  type Spend,
  settlementSchema,
  type TaskLimit,
  type Tunnel,
  taskLimitSchema,
  tunnelSchema,
} from '../contract/gateway.ts';
import { FleetError } from '../lib/errors.ts';
import { migrate } from './ledger-schema.ts';

/**
 * The gateway's books (`gas.db`), written by this process only. A call's life:
 *
 *   openCall (before a byte goes up) -> noteCall (what the upstream said so far) -> settle (once)
 *
 * Invariants: an open call becomes exactly one settlement, also when the gateway is killed in between (the next start settles
 * what was noted); seq is gap-free and settlements are never changed; a task's spend is the sum of its settlements.
 */
export interface Ledger {
  putGrant(id: string, grant: Grant): void;
  /** Stays known as expired, so that a late call is refused with its name on it. False when there is none. */
  endGrant(id: string, now: number): boolean;
  findGrant(tokenHash: string): OpenGrant | null;
  putLimit(task: string, limit: TaskLimit): void;
  limitOf(task: string): TaskLimit | null;
  spendOf(task: string): Spend;
  openCall(who: Who, at: number, model: string): number;
  noteCall(call: number, amounts: Amounts): void;
  /** Null when the call was settled before. */
  settle(call: number, end: End, amounts: Amounts): Settlement | null;
  /** For what never reached the upstream. */
  settleRefusal(who: Who, end: End): Settlement;
  settlements(after: number, limit: number): Settlements;
  putTunnel(vm: string, tunnel: Tunnel): void;
  deleteTunnel(vm: string): boolean;
  tunnels(): { vm: string; tunnel: Tunnel }[];
  close(): void;
}

export type OpenGrant = Grant & { id: string };
export type Who = Pick<Settlement, 'grant' | 'project' | 'task' | 'ralph' | 'iteration'>;
export type Amounts = Pick<
  Settlement,
  'model' | 'inputTokens' | 'cacheWriteTokens' | 'cacheReadTokens' | 'outputTokens' | 'usd'
> & { priceKnown: boolean };
export type End = Pick<Settlement, 'at' | 'status' | 'refused' | 'retryAt'>;

export function noAmounts(model: string): Amounts {
  const zero = { inputTokens: 0, cacheWriteTokens: 0, cacheReadTokens: 0, outputTokens: 0, usd: 0 };
  return { model, ...zero, priceKnown: true };
}

const whoColumns = 'grant_id AS "grant", project, task, ralph, iteration';
const amountColumns =
  'model, input AS inputTokens, cache_write AS cacheWriteTokens, cache_read AS cacheReadTokens, output AS outputTokens, ' +
  'usd, price_known AS priceKnown';
const grantColumns = 'id, token_hash AS tokenHash, vm, project, task, ralph, iteration, expires_at AS expiresAt';
const insertSettlement = `INSERT INTO settlements
  (at, grant_id, project, task, ralph, iteration, model, input, cache_write, cache_read, output, usd, price_known, status,
   refused, retry_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq`;

const rowSchema = settlementSchema.extend({ priceKnown: z.number().transform((it) => it === 1) });
const callSchema = rowSchema.omit({ seq: true, status: true, refused: true, retryAt: true });

export function openLedger(path: string, now: () => number): Ledger {
  const db = open(path);
  const run = (sql: string, ...values: SQLInputValue[]) => db.prepare(sql).run(...values);
  const get = (sql: string, ...values: SQLInputValue[]) => db.prepare(sql).get(...values);
  const all = (sql: string, ...values: SQLInputValue[]) => db.prepare(sql).all(...values);

  function append(who: Who, amounts: Amounts, end: End): Settlement {
    const row = get(insertSettlement, end.at, ...whoValues(who), ...amountValues(amounts), ...endValues(end));
    const tokens = amounts.inputTokens + amounts.cacheWriteTokens + amounts.outputTokens;
    const calls = end.refused === null || end.refused === 'upstream' ? 1 : 0;
    run(
      `INSERT INTO spend (task, tokens, usd, calls) VALUES (?1, ?2, ?3, ?4)
       ON CONFLICT (task) DO UPDATE SET tokens = tokens + ?2, usd = usd + ?3, calls = calls + ?4`,
      ...[who.task, tokens, amounts.usd, calls],
    );
    return { seq: Number(row?.['seq']), ...who, ...amounts, ...end };
  }

  function settle(call: number, end: End, amounts: Amounts | null): Settlement | null {
    return transaction(db, () => {
      const row = get(`SELECT at, ${whoColumns}, ${amountColumns} FROM calls WHERE id = ?`, call);
      if (row === undefined) return null;
      const { at: _, grant, project, task, ralph, iteration, ...noted } = callSchema.parse(row);
      run('DELETE FROM calls WHERE id = ?', call);
      return append({ grant, project, task, ralph, iteration }, amounts ?? noted, end);
    });
  }

  for (const { id } of all('SELECT id FROM calls ORDER BY id')) {
    settle(Number(id), { at: now(), status: 0, refused: 'upstream', retryAt: null }, null);
  }

  return {
    putGrant: (id, grant) => {
      const owner = get('SELECT id FROM grants WHERE token_hash = ?', grant.tokenHash)?.['id'];
      if (owner !== undefined && owner !== id) {
        throw new FleetError('refused', `Grant \`${id}\` has the same token as grant \`${owner}\`.`);
      }
      run(
        'INSERT OR REPLACE INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        ...[id, grant.tokenHash, grant.vm, grant.project, grant.task, grant.ralph, grant.iteration, grant.expiresAt],
      );
    },
    endGrant: (id, at) => run('UPDATE grants SET expires_at = min(expires_at, ?) WHERE id = ?', at, id).changes > 0,
    findGrant: (tokenHash) => {
      const row = get(`SELECT ${grantColumns} FROM grants WHERE token_hash = ?`, tokenHash);
      return row === undefined ? null : grantSchema.extend({ id: z.string() }).parse(row);
    },
    putLimit: (task, limit) =>
      void run(
        'INSERT OR REPLACE INTO limits (task, max_tokens, max_usd, max_calls) VALUES (?, ?, ?, ?)',
        ...[task, limit.maxTokens, limit.maxUsd, limit.maxCalls],
      ),
    limitOf: (task) => {
      const sql = 'SELECT max_tokens AS maxTokens, max_usd AS maxUsd, max_calls AS maxCalls FROM limits WHERE task = ?';
      const row = get(sql, task);
      return row === undefined ? null : taskLimitSchema.parse(row);
    },
    spendOf: (task) => {
      const row = get('SELECT tokens, usd, calls FROM spend WHERE task = ?', task);
      return {
        tokens: Number(row?.['tokens'] ?? 0),
        usd: Number(row?.['usd'] ?? 0),
        calls: Number(row?.['calls'] ?? 0),
      };
    },
    openCall: (who, at, model) => {
      const sql = `INSERT INTO calls (at, grant_id, project, task, ralph, iteration, model, input, cache_write, cache_read,
        output, usd, price_known) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 1)`;
      return Number(run(sql, at, ...whoValues(who), model).lastInsertRowid);
    },
    noteCall: (call, amounts) =>
      void run(
        `UPDATE calls SET model = ?, input = ?, cache_write = ?, cache_read = ?, output = ?, usd = ?, price_known = ?
         WHERE id = ?`,
        ...amountValues(amounts),
        call,
      ),
    settle,
    settleRefusal: (who, end) => transaction(db, () => append(who, noAmounts(''), end)),
    settlements: (after, limit) => {
      const sql = `SELECT seq, at, ${whoColumns}, ${amountColumns}, status, refused, retry_at AS retryAt
        FROM settlements WHERE seq > ? ORDER BY seq LIMIT ?`;
      const last = get('SELECT coalesce(max(seq), 0) AS last FROM settlements')?.['last'];
      return { settlements: all(sql, after, limit).map((row) => rowSchema.parse(row)), last: Number(last) };
    },
    putTunnel: (vm, tunnel) => void run('INSERT OR REPLACE INTO tunnels VALUES (?, ?)', vm, JSON.stringify(tunnel)),
    deleteTunnel: (vm) => run('DELETE FROM tunnels WHERE vm = ?', vm).changes > 0,
    tunnels: () =>
      all('SELECT vm, spec FROM tunnels ORDER BY vm').map((row) => ({
        vm: String(row['vm']),
        tunnel: tunnelSchema.parse(JSON.parse(String(row['spec']))),
      })),
    close: () => {
      if (db.isOpen) db.close();
    },
  };
}

function open(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 5000 });
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
    migrate(db, path);
    return db;
  } catch (cause) {
    db?.close();
    if (cause instanceof FleetError) throw cause;
    throw new FleetError('storage', `Cannot open the ledger \`${path}\`.`, { cause });
  }
}

function transaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function whoValues(who: Who): SQLInputValue[] {
  return [who.grant, who.project, who.task, who.ralph, who.iteration];
}

function amountValues(it: Amounts): SQLInputValue[] {
  const tokens = [it.inputTokens, it.cacheWriteTokens, it.cacheReadTokens, it.outputTokens];
  return [it.model, ...tokens, it.usd, it.priceKnown ? 1 : 0];
}

function endValues(end: End): SQLInputValue[] {
  return [end.status, end.refused, end.retryAt];
}
