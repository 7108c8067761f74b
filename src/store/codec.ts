import type { SQLInputValue } from 'node:sqlite';

/** How a field is kept: `json` columns hold nested values as text, `bool` as 0 or 1. */
export type ColumnKind = 'text' | 'int' | 'real' | 'json' | 'bool';
export type Columns<T> = { readonly [K in keyof T]-?: ColumnKind };

export function encode(kind: ColumnKind, value: unknown): SQLInputValue {
  if (kind === 'json') return JSON.stringify(value ?? null);
  if (value === null || value === undefined) return null;
  if (kind === 'bool') return value ? 1 : 0;
  return value as SQLInputValue;
}

export function decode(kind: ColumnKind, value: unknown): unknown {
  if (kind === 'json') return value === null || value === undefined ? null : JSON.parse(String(value));
  if (kind === 'bool') return value === 1;
  return value ?? null;
}
