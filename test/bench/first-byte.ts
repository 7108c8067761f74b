import { against, type Result, single, spread } from './result.ts';

/** Who is asked, and how. */
export interface Asked {
  /** Milliseconds from the request to the first byte of the answer's body. */
  firstByte(): Promise<number>;
  /** So many streams that go on until they are stopped. */
  drip(count: number): Promise<() => void>;
}

export interface Turns {
  bare: number[];
  through: number[];
}

const warmUps = 50;

/** One after the other, by turns, so that what else this machine does meets both alike; streams are open at both. */
export async function byTurns(api: Asked, proxy: Asked, streams: number, count: number): Promise<Turns> {
  const stops = [await api.drip(streams), await proxy.drip(streams)];
  const turns: Turns = { bare: [], through: [] };
  for (let n = 0; n < warmUps; n++) await Promise.all([api.firstByte(), proxy.firstByte()]);
  for (let n = 0; n < count; n++) {
    turns.bare.push(await api.firstByte());
    turns.through.push(await proxy.firstByte());
  }
  for (const stop of stops) stop();
  return turns;
}

/** What the proxy adds to a direct call, percentile by percentile; then the two it was taken from. */
export function added(name: string, streams: number, { bare, through }: Turns): [Result, ...Result[]] {
  const direct = spread(`time to first byte, direct, beside ${name}, ${streams} streams open`, 'ms', bare);
  const all = against(spread(`time to first byte, ${name}, ${streams} streams open`, 'ms', through), direct);
  const more = (of: 'p50' | 'p95' | 'p99') => Number(((all[of] ?? 0) - (direct[of] ?? 0)).toFixed(3));
  const figures = { p50: more('p50'), p95: more('p95'), p99: more('p99') };
  return [{ ...single(`added to first byte, ${name}`, 'ms', figures.p50, bare.length), ...figures }, all, direct];
}
