/** One measured figure. `vs` names what `ratio` compares it with, measured in the same run. */
export interface Result {
  name: string;
  unit: string;
  value: number;
  p50?: number;
  p95?: number;
  p99?: number;
  n: number;
  vs?: { name: string; value: number; ratio: number };
}

/** `quick`: fewer of everything, to see that it works; the figures mean little. */
export type Bench = (say: (line: string) => void, options: { quick: boolean }) => Promise<Result[]>;

const rounded = (value: number) => Number(value.toPrecision(4));

/** The median of what was measured, with its spread. */
export function spread(name: string, unit: string, measured: readonly number[]): Result {
  const sorted = measured.toSorted((a, b) => a - b);
  const at = (share: number) =>
    rounded(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN);
  return { name, unit, value: at(0.5), p50: at(0.5), p95: at(0.95), p99: at(0.99), n: sorted.length };
}

export function single(name: string, unit: string, value: number, n = 1): Result {
  return { name, unit, value: rounded(value), n };
}

export function against(result: Result, baseline: Result): Result {
  const { name, value } = baseline;
  return { ...result, vs: { name, value, ratio: rounded(result.value / value) } };
}
