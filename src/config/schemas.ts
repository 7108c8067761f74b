import { z } from 'zod';
import { fleetFile } from './fleet/schema.ts';
import { projectFile } from './project/schema.ts';
import { ralphFile } from './submission/schema.ts';

/** Every file format a person writes, by the name `ralph-fleet schema <name>` takes. */
export const fileSchemas = { fleet: fleetFile, project: projectFile, ralph: ralphFile } as const;

export function toJsonSchema(schema: z.ZodType): Record<string, unknown> {
  return { ...z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) };
}
