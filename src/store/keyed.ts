import type { DatabaseSync } from 'node:sqlite';
import type { Table } from './table.ts';

/** Rows of which there is one or none for each level of the budget tree. */
export interface Keyed<T extends { node: string }> extends Pick<Table<T>, 'get' | 'list' | 'version' | 'touch'> {
  /** Takes the place of what stood there. */
  set(row: T): void;
  remove(node: string): void;
}

export function createKeyed<T extends { node: string }>(db: DatabaseSync, table: Table<T>): Keyed<T> {
  const drop = db.prepare(`DELETE FROM ${table.name} WHERE node = ?`);
  function remove(node: string): void {
    if (drop.run(node).changes > 0) table.touch();
  }
  const { get, list, version, touch } = table;
  return {
    ...{ get, list, version, touch, remove },
    set: (row) => {
      remove(row.node);
      table.insert(row);
    },
  };
}
