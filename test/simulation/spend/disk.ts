import type { SQLInputValue } from 'node:sqlite';
import { openSql, type Sql } from '../../../src/gateway/ledger/sql.ts';
import type { Dice } from '../random.ts';
import type { VirtualClock } from '../virtual-clock.ts';

/** One life of the gateway. After its death nothing it does reaches its books any more. */
export interface Life {
  dead: boolean;
  /** Resolves when it is dead: its connections break. */
  over: Promise<void>;
  end(): void;
}

/** Thrown where the process is killed: nobody catches it to go on. */
export class Died extends Error {}
/** A write that was refused: the process lives on. */
export class Full extends Error {}

/** The ledger's database: it outlives the process as it is, and the host as far as it was synced. */
export interface Disk {
  /** As one life of the gateway sees it: it may die before and after each write, and between those of a transaction. */
  open(life: Life): Sql;
  /** The host loses its power: of what was not synced, the end is gone. */
  cut(): void;
  /** For the checks: past all wrapping. */
  all: Sql['all'];
  /** How often something was written, and lost. */
  version(): { written: number; cuts: number };
}

interface Faults {
  clock: VirtualClock;
  dice: Dice;
  /** Throws `Died` where this life ends. */
  strike(life: Life, where: string): void;
  /** Throws `Full` where there is no room to write. */
  fill(): void;
  /** How long a sync takes. */
  syncMs(): number;
  syncFails(): boolean;
}

type Statement = [sql: string, ...values: SQLInputValue[]];

export function createDisk({ clock, dice, strike, fill, syncMs, syncFails }: Faults): Disk {
  let db = openSql(':memory:');
  /** All commits since the beginning, and how many of them are on the disk. */
  let commits: Statement[][] = [];
  let synced = 0;
  let cuts = 0;
  let written = 0;

  function live(life: Life): void {
    if (life.dead) throw new Died('dead');
  }

  async function sync(life: Life): Promise<void> {
    live(life);
    const [upTo, host] = [commits.length, cuts];
    await clock.sleep(syncMs());
    if (host === cuts && !syncFails()) synced = Math.max(synced, upTo);
    else if (host === cuts) throw new Full('fault: the disk could not be synced');
    if (life.dead) await new Promise(() => {});
  }

  function open(life: Life): Sql {
    let transaction: Statement[] | null = null;
    const write = <T>(statement: Statement, work: () => T): T => {
      const [word = ''] = statement[0].trim().split(/\s/, 1);
      strike(life, `before ${word}`);
      fill();
      const result = work();
      written++;
      if (transaction !== null) transaction.push(statement);
      else {
        commits.push([statement]);
        strike(life, `after ${word}`);
      }
      return result;
    };
    return {
      run: (...statement) => {
        live(life);
        return write(statement, () => db.run(...statement));
      },
      get: (...statement) => {
        live(life);
        return /^(INSERT|UPDATE)/.test(statement[0])
          ? write(statement, () => db.get(...statement))
          : db.get(...statement);
      },
      all: (...statement) => {
        live(life);
        return db.all(...statement);
      },
      transaction: (work) => {
        live(life);
        const statements: Statement[] = [];
        transaction = statements;
        try {
          const result = db.transaction(work);
          commits.push(statements);
          strike(life, 'after the commit');
          return result;
        } finally {
          transaction = null;
        }
      },
      sync: () => sync(life),
      syncSoon: () => clock.sleep(20).then(() => sync(life)),
      checkpoint: () => {
        live(life);
        synced = commits.length;
      },
      close: () => {},
    };
  }

  return {
    open,
    cut: () => {
      cuts++;
      commits = commits.slice(0, dice.between(synced, commits.length));
      synced = commits.length;
      db.close();
      db = openSql(':memory:');
      for (const [sql, ...values] of commits.flat()) db.get(sql, ...values);
    },
    all: (...statement) => db.all(...statement),
    version: () => ({ written, cuts }),
  };
}
