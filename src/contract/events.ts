import { z } from 'zod';
import { count, isoTime } from './common.ts';

/**
 * `GET /v1/events?after=N`: server-sent events, `id:` = seq, `event: fleet`, `data:` = this as JSON on one line. First everything after N
 * without a gap, then live. A comment line (`: beat`) every 15 s while nothing happens.
 */
export const fleetEvent = z.object({
  seq: count,
  at: isoTime,
  kind: z.string(),
  /** Id or name of what it is about (`T4`, `implementer-1`, a VM's id). */
  subject: z.string(),
  text: z.string(),
});
export type FleetEventView = z.infer<typeof fleetEvent>;

/**
 * `GET /v1/ralphs/:name/stream?after=BYTES&follow=1`: readable lines of the Ralph's newest iteration, `event: line`, `id:` = offset.
 * `offset` is the byte of the transcript after this line: go on with `after=offset`. Without `follow` it ends with `event: end`
 * when nothing is left; with it, a new iteration starts at offset 0 again under its own `iteration`.
 */
export const streamLine = z.object({
  iteration: z.string(),
  offset: count,
  kind: z.enum(['text', 'tool', 'result', 'notice']),
  text: z.string(),
});
export type StreamLine = z.infer<typeof streamLine>;
