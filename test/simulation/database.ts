import { type Database, openDatabase } from '../../src/store/open.ts';

/** Emptied and used again by the next schedule of the thread: to open and migrate one costs more, and so do its statements. */
const free: Database[] = [];

export function takeDatabase(): Database {
  return free.pop() ?? openDatabase(':memory:');
}

/** Only for one that nothing will touch any more. */
export function giveBackDatabase(db: Database): void {
  // What refers to others was made after them.
  for (const { name } of db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid DESC").all()) {
    db.prepare(`DELETE FROM ${name}`).run();
  }
  free.push(db);
}
