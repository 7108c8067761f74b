import type { z } from 'zod';
import { settlementSchema } from '../../contract/gateway.ts';

/** Whose call it is. */
export const whoSchema = settlementSchema.pick({
  ...{ grant: true, project: true, task: true },
  ...{ ralph: true, iteration: true, role: true },
});
export type Who = z.infer<typeof whoSchema>;
