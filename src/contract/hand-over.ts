import { z } from 'zod';
import { mirrorSchema, settlementSchema } from './gateway.ts';

/**
 * What a gateway that leaves and the one that took its place say to each other: lines of JSON on a unix socket that the leaving one
 * listens on (`gateway-PID.sock`). The next one calls it; so does whoever comes after that. Two versions of the program meet here:
 * change it only so that either side may be the older one.
 */
export const handOverVersion = 1;

export const endSchema = settlementSchema.pick({ at: true, status: true, refused: true, retryAt: true });
export const countedSchema = settlementSchema
  .pick({ model: true, inputTokens: true, cacheWriteTokens: true, cacheReadTokens: true, outputTokens: true })
  .extend({
    usd: z.number(),
    priceKnown: z.boolean(),
    counted: settlementSchema.shape.counted,
    flags: settlementSchema.shape.flags,
  });

export const fromLeaving = z.discriminatedUnion('kind', [
  /** First of all: what it still has. `calls` are reservations that only it will settle, `vms` have its tunnel. */
  z.object({
    kind: z.literal('hello'),
    version: z.literal(handOverVersion),
    pid: z.number().int(),
    calls: z.array(z.number().int()),
    vms: z.array(z.string()),
    mirrors: z.array(z.object({ vm: z.string(), mirror: mirrorSchema })),
  }),
  /** A call has ended. Said again to the next one until it is answered; a reservation's number is never used twice. */
  z.object({ kind: z.literal('settle'), id: z.number().int(), end: endSchema, counted: countedSchema }),
  /** Its tunnel into this VM is closed: there may be another. */
  z.object({ kind: z.literal('released'), vm: z.string() }),
]);

export const toLeaving = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('settled'), id: z.number().int() }),
  /** The grant is over, its open calls end. */
  z.object({ kind: z.literal('end_calls'), grant: z.string() }),
  /** The VM is gone, or is to be reached in another way. */
  z.object({ kind: z.literal('drop'), vm: z.string() }),
]);

export type FromLeaving = z.infer<typeof fromLeaving>;
export type ToLeaving = z.infer<typeof toLeaving>;
