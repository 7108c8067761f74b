import type { Table } from './table.ts';

/** Rows of which there is one or none for each level of the budget tree. */
export interface Keyed<T extends { node: string }>
  extends Pick<Table<T>, 'get' | 'list' | 'remove' | 'standing' | 'version' | 'touch'> {
  /** Takes the place of what stood there. */
  set(row: T): void;
}

export function createKeyed<T extends { node: string }>(table: Table<T>): Keyed<T> {
  const { get, list, remove, standing, version, touch } = table;
  return {
    ...{ get, list, remove, standing, version, touch },
    set(row) {
      remove(row.node);
      table.insert(row);
    },
  };
}
