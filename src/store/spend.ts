import type { BudgetStop } from '../domain/budget.ts';
import type { Spend } from '../domain/fleet.ts';
import type { Database } from './open.ts';

/** What the gateway settled, summed per iteration. Read by the faces and by the planner (limits the gateway enforced). */
export interface SpendStore {
  /** Adds settlements and moves the cursor in one transaction of the caller. */
  add(entry: { iteration: string; task: string; imputedUsd: number } & Refused & Spend & Pick<Failed, 'fault'>): void;
  /** What of the dollars a subscription covers: of one task, one iteration, or in all. */
  imputedUsd(of?: { task: string } | { iteration: string }): number;
  ofTask(task: string): Spend;
  ofIteration(iteration: string): (Spend & Refused & Failed) | null;
  byTask(): Map<string, Spend>;
  total(): Spend;
  cursor(): number;
  setCursor(seq: number): void;
  /** A transaction was taken back. */
  forget(): void;
}

interface Refused {
  refused: string | null;
  /** The level that refused a call of it last. */
  shortfall: Omit<BudgetStop, 'at'> | null;
}

/** How the provider failed its last calls; null when the last that was heard of went well. */
interface Failed {
  fault: string | null;
  /** How many in a row. */
  faults: number;
}

export function createSpend(db: Database): SpendStore {
  const add = db.prepare(
    `INSERT INTO spend (iteration, task, tokens, usd, calls, refused, shortfall, fault, faults, imputedUsd)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8 IS NOT NULL, ?9)
     ON CONFLICT (iteration) DO UPDATE SET tokens = tokens + excluded.tokens, usd = usd + excluded.usd,
       calls = calls + excluded.calls, refused = coalesce(excluded.refused, refused),
       shortfall = coalesce(excluded.shortfall, shortfall), imputedUsd = imputedUsd + excluded.imputedUsd,
       faults = CASE WHEN ?8 IS NOT NULL THEN faults + 1 WHEN ?6 IS NULL THEN 0 ELSE faults END,
       fault = CASE WHEN ?8 IS NOT NULL THEN ?8 WHEN ?6 IS NULL THEN NULL ELSE fault END`,
  );
  const sum = 'coalesce(sum(tokens), 0) AS tokens, coalesce(sum(usd), 0) AS usd, coalesce(sum(calls), 0) AS calls';
  const ofTask = db.prepare(`SELECT ${sum} FROM spend WHERE task = ?`);
  const ofIteration = db.prepare(
    'SELECT tokens, usd, calls, refused, shortfall, fault, faults FROM spend WHERE iteration = ?',
  );
  const byTask = db.prepare(`SELECT task, ${sum} FROM spend GROUP BY task`);
  const total = db.prepare(`SELECT ${sum} FROM spend`);
  const imputedSum = 'SELECT coalesce(sum(imputedUsd), 0) AS usd FROM spend';
  const imputed = db.prepare(imputedSum);
  const imputedOfTask = db.prepare(`${imputedSum} WHERE task = ?`);
  const imputedOfIteration = db.prepare(`${imputedSum} WHERE iteration = ?`);
  const cursor = db.prepare("SELECT seq FROM cursors WHERE name = 'settlements'");
  const setCursor = db.prepare(
    "INSERT INTO cursors (name, seq) VALUES ('settlements', ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq",
  );
  let known: number | null = null;
  return {
    add: (e) => {
      const shortfall = e.shortfall === null ? null : JSON.stringify(e.shortfall);
      add.run(e.iteration, e.task, e.tokens, e.usd, e.calls, e.refused, shortfall, e.fault, e.imputedUsd);
    },
    ofTask: (task) => ofTask.get(task) as unknown as Spend,
    ofIteration: (id) => {
      const row = ofIteration.get(id);
      if (row === undefined) return null;
      const shortfall = row['shortfall'] === null ? null : JSON.parse(String(row['shortfall']));
      return { ...(row as unknown as Spend & Refused & Failed), shortfall };
    },
    byTask: () => new Map(byTask.all().map((row) => [String(row['task']), row as unknown as Spend])),
    total: () => total.get() as unknown as Spend,
    imputedUsd(of) {
      if (of === undefined) return Number(imputed.get()?.['usd']);
      const row = 'task' in of ? imputedOfTask.get(of.task) : imputedOfIteration.get(of.iteration);
      return Number(row?.['usd']);
    },
    cursor() {
      known ??= Number(cursor.get()?.['seq'] ?? 0);
      return known;
    },
    setCursor(seq) {
      setCursor.run(seq);
      known = seq;
    },
    forget() {
      known = null;
    },
  };
}
