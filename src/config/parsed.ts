import type { FileProblem } from './problems.ts';

export type Position = { line: number; col: number };

/** A parsed file: its plain value, and where each path of it stands. */
export interface ParsedDocument {
  value: unknown;
  /** Where the value (or with `key`, its key) stands; the nearest thing above it when there is none. */
  locate(path: readonly PropertyKey[], key?: boolean): Position | null;
}

export function problemAt(
  parsed: ParsedDocument,
  path: readonly PropertyKey[],
  shown: string,
  what: { message: string; remedy: string | null; key?: boolean },
): FileProblem {
  const at = parsed.locate(path, what.key ?? false);
  return { line: at?.line ?? null, col: at?.col ?? null, path: shown, message: what.message, remedy: what.remedy };
}
