import { z } from 'zod';

/**
 * HTTP upgrade (`Upgrade: ralph-shell`, answered by 101) to a shell in a VM. Afterwards frames both ways (`lib/frames.ts`); the first one,
 * `start`, says what is wanted. The server ends with `exit`, or with `failed` where it could not be started.
 */
export const shellFrames = {
  /** client: JSON of `shellStart`; bytes for the command; their end; JSON of `shellScreen` */
  start: 0,
  stdin: 1,
  end: 2,
  resize: 3,
  /** server: what it prints; JSON of `shellExit`; an error's body, as over HTTP */
  stdout: 4,
  stderr: 5,
  exit: 6,
  failed: 7,
} as const;

const side = z.int().positive().max(2000);
export const shellScreen = z.strictObject({ cols: side, rows: side });
export const shellStart = z.strictObject({
  /** Empty: a login shell. */
  argv: z.array(z.string()).max(1000),
  /** Null: no terminal. */
  screen: shellScreen.nullable(),
  asRoot: z.boolean(),
});
export type ShellStart = z.infer<typeof shellStart>;
/** Null: it was cut off, or a signal ended it. */
export const shellExit = z.strictObject({ code: z.int().nullable() });
