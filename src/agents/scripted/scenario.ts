import { z } from 'zod';
import { FleetError } from '../../lib/errors.ts';

/**
 * What the scripted agent plays: per role, per iteration, a list of steps.
 *
 *   {"version": 1, "implementer": [[step, …], [step, …]], "reviewer": [[step, …]]}
 *
 * The first list is played in the first iteration, the second in the second; when there are no more, the last is played
 * again. Steps run one after the other in the workspace; a list that reaches its end exits 0. A step that fails (text to
 * replace not found, command not 0) is shown and the next one runs, as an agent would go on.
 */

/** A path inside the workspace. Odd names are welcome (they are tests); leaving the workspace is a mistake. */
const path = z
  .string()
  .min(1)
  .max(4096)
  .refine((p) => !p.startsWith('/') && !p.split('/').includes('..'), 'must be a path inside the workspace');
const seconds = z.number().min(0).max(86_400);
const bytes = z.number().int().min(1).max(1_000_000_000);

/** The signal's fields without its nonce, as `src/loop/signals.ts` reads them; not checked here, so that bad ones can be sent. */
const signalFields = z
  .record(z.string(), z.unknown())
  .refine((s) => !('nonce' in s), 'leave `nonce` out: set it beside');

export const stepSchema = z.discriminatedUnion('do', [
  /** What an agent does. */
  z.strictObject({ do: z.literal('say'), text: z.string() }),
  z.strictObject({ do: z.literal('sleep'), seconds }),
  z.strictObject({ do: z.literal('write'), path, text: z.string() }),
  /** Replaces the first occurrence of `find`, literally. */
  z.strictObject({ do: z.literal('edit'), path, find: z.string().min(1), replace: z.string() }),
  z.strictObject({ do: z.literal('delete'), path }),
  /** A shell command line (`sh -c`); the end of its output is shown. */
  z.strictObject({ do: z.literal('run'), command: z.string().min(1) }),
  /** `git add -A` and commit all, or amend the last commit. */
  z.strictObject({ do: z.literal('commit'), message: z.string().min(1), amend: z.boolean().default(false) }),
  /** One line to $RALPH_SIGNALS: `{"verb": "done", "summary": "…"}`, `{"verb": "verdict", …}`; with the prompt's nonce unless told. */
  z.strictObject({
    do: z.literal('signal'),
    signal: signalFields,
    nonce: z.enum(['right', 'wrong', 'absent']).default('right'),
  }),
  /** How it misbehaves. */
  z.strictObject({ do: z.literal('print'), text: z.string() }),
  z.strictObject({ do: z.literal('print-error'), text: z.string() }),
  /** The whole prompt on stdout, as some CLIs do. */
  z.strictObject({ do: z.literal('echo-prompt') }),
  /** Random bytes, lines and all. */
  z.strictObject({ do: z.literal('garbage'), bytes }),
  z.strictObject({ do: z.literal('long-line'), bytes }),
  z.strictObject({ do: z.literal('invalid-utf8') }),
  /** A line of text straight into $RALPH_SIGNALS, e.g. half JSON. */
  z.strictObject({ do: z.literal('raw-signal'), text: z.string() }),
  z.strictObject({ do: z.literal('exit'), code: z.number().int().min(0).max(255) }),
  /** Ends itself by a signal. */
  z.strictObject({ do: z.literal('die'), signal: z.enum(['TERM', 'KILL', 'SEGV', 'INT', 'HUP']) }),
  /** Sleeps for ever, silently. */
  z.strictObject({ do: z.literal('hang') }),
  z.strictObject({ do: z.literal('ignore-sigterm') }),
  /** A process in a session of its own that outlives the agent. */
  z.strictObject({ do: z.literal('fork'), seconds }),
  /** Tries to write the job's end file with a false success. */
  z.strictObject({ do: z.literal('forge-end') }),
  /** Writes until the disk is full or `megabytes` are written, into `.ralph-fill` of the workspace. */
  z.strictObject({ do: z.literal('fill-disk'), megabytes: z.number().int().min(1).max(1_000_000) }),
]);
export type Step = z.infer<typeof stepSchema>;

const iterationsSchema = z.array(z.array(stepSchema).max(1000)).max(1000);
export const scenarioSchema = z.strictObject({
  version: z.literal(1),
  implementer: iterationsSchema.min(1),
  reviewer: iterationsSchema.default([]),
});
export type Scenario = z.infer<typeof scenarioSchema>;

/** Checks a scenario; every problem is named at once. */
export function parseScenario(value: unknown): Scenario {
  const parsed = scenarioSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `\`${issue.path.join('.') || '(top)'}\`: ${issue.message}`);
  throw new FleetError('invalid_file', `The scenario of the scripted agent is not valid: ${problems.join('; ')}.`, {
    remedy: 'Mend the scenario file; its form is described in src/agents/scripted/scenario.ts.',
    details: { problems },
  });
}

/** The steps of one iteration (1 is the first); beyond the end the last list again; none for a role without lists. */
export function stepsOf(scenario: Scenario, role: 'implementer' | 'reviewer', iteration: number): Step[] {
  const lists = scenario[role];
  const at = Math.min(Math.max(1, iteration), lists.length) - 1;
  return lists[at] ?? [];
}
