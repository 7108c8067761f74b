/**
 * Where lines come from. The file is the truth: what is not in Loki yet is read from it again.
 *
 * `daemon`, `gateway`: pino's JSON lines, each with its time. `iteration`: what an agent CLI printed, as kept on the host.
 * `console`: what a VM's serial console showed. The last two have no times of their own that could be trusted: a guest wrote them.
 */
export const streamKinds = ['daemon', 'gateway', 'iteration', 'console'] as const;
export type StreamKind = (typeof streamKinds)[number];

export interface LogSource {
  /** Its name for ever: `daemon`, `iteration/it-1a2b3c4d`, `console/ab12cd34`. */
  key: string;
  kind: StreamKind;
  /** The file that grows. One that is turned over goes on in it, and what was there before stands in `<path>.N`; a larger N is older. */
  path: string;
  /** Beside `service_name`, `fleet` and `stream`: few values, or Loki suffers. */
  labels: { role?: string; driver?: string };
  /** Goes with each line as structured metadata. */
  ids: Record<string, string>;
  /** Milliseconds since the epoch when nothing more came; null while something may come. */
  endedAt: number | null;
}

/** Files that are turned over; an iteration's stream never is. */
export function turnsOver(kind: StreamKind): boolean {
  return kind !== 'iteration';
}

/** Their end is the end of the source: once all is sent they are forgotten. */
export function hasEnd(kind: StreamKind): boolean {
  return kind === 'iteration' || kind === 'console';
}
