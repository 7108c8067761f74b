import { z } from 'zod';

/** .ralph/project.yaml, read from the base commit only, so that no change can alter its own judge. */
const command = z.string().min(1).max(4000);
const timeoutSeconds = z.int().positive().max(86_400);
const glob = z.string().min(1).max(500);
export const checkId = z.string().regex(/^[a-z0-9-]{1,60}$/, 'lower-case letters, digits and -');

export const projectFile = z.strictObject({
  version: z.literal(1).describe('Version of this format'),
  setup: z
    .strictObject({
      run: command,
      inputs: z.array(glob).max(200).default([]),
      timeoutSeconds: timeoutSeconds.default(900),
    })
    .nullable()
    .default(null)
    .describe('Run once in a VM no agent touches; its disk starts every VM of the project'),
  packages: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9+.-]{0,99}$/, 'the name of a Debian package'))
    .max(200)
    .default([])
    .describe('Debian packages the prepared disk holds beyond the image’s'),
  services: z
    .array(z.strictObject({ name: checkId, run: command, ready: command.nullable().default(null) }))
    .max(20)
    .default([])
    .describe('Run beside agents and checks; `ready` ends with 0 once one can be used'),
  registries: z.array(z.string().min(1).max(300)).max(50).default([]),
  protected: z.array(glob).max(500).nullable().default(null).describe('Files that judge a change'),
  checks: z
    .array(
      z.strictObject({
        id: checkId,
        run: command,
        description: z.string().max(500).optional(),
        timeoutSeconds: timeoutSeconds.default(600),
      }),
    )
    .max(100)
    .default([]),
});
