/**
 * When bytes were first seen: `[offset, ms]`, rising. Bytes below an offset and not below the one before it were there at that time. So a
 * line that waits out an outage keeps the time it came, also where it says none itself.
 */
export type Mark = readonly [offset: number, atMs: number];

const most = 64;

/** Notes that the file had that size at that time. Many marks are thinned out: the later time then holds for both stretches. */
export function addMark(marks: readonly Mark[], size: number, nowMs: number): readonly Mark[] {
  const last = marks.at(-1);
  if (last !== undefined && size <= last[0]) return marks;
  const next = [...marks, [size, Math.max(nowMs, last?.[1] ?? 0)] as const];
  return next.length <= most ? next : next.filter((_, at) => at % 2 === 1 || at === next.length - 1);
}

/** What is sent is forgotten. */
export function dropMarks(marks: readonly Mark[], sentTo: number): readonly Mark[] {
  const first = marks.findIndex(([offset]) => offset > sentTo);
  return first < 0 ? [] : marks.slice(first);
}
