import { z } from 'zod';
import { cleanLine, cleanText } from '../lib/clean-text.ts';
import type { RalphRole } from './iteration.ts';

/**
 * What an agent can say: verbs, and what each must hold. One source for both ways in: the MCP tools of its iteration
 * (`gateway/mcp`) and the JSON lines of its file (`loop/signals.ts`). All of it comes from a guest and is hostile.
 *
 * - Of several closing verbs the last one counts: an agent that says `partial`, goes on and says `done` means `done`, and one
 *   that says `done`, looks again and says `stuck` means `stuck`. The same for `ask` and `verdict`.
 * - A verdict that contradicts itself (a no without a finding that weighs, a yes with a blocking one) is refused: inconclusive.
 * - A text must be of the agent's own, so that a copied example (`<what you changed>`) is refused too.
 */
export const maxSignalChars = 64 * 1024;
/** What one iteration may say in all. */
export const maxSaidBytes = 1024 * 1024;

/** Where the gateway serves the tools, below the guest's one address. */
export const iterationMcpPath = '/mcp';

const maxFindings = 50;

const words = (clean: (text: string) => string, about: string) =>
  z
    .string()
    .transform(clean)
    .refine((text) => text !== '', 'must say something')
    .refine((text) => !isPlaceholder(text), 'holds the example in place of your own words')
    .describe(about);
const line = (maxChars: number, about: string) => words((text) => cleanLine(text, maxChars), about);
const paragraph = (maxChars: number, about: string) => words((text) => cleanText(text, maxChars).trim(), about);

/** What the prompt's examples hold where the agent's own words belong. */
function isPlaceholder(text: string): boolean {
  return /^<[^<>]*>$/.test(text);
}

const finding = z.object({
  file: line(500, 'Path in the repository, or null.').nullish().default(null),
  line: z.number().int().positive().nullish().default(null),
  severity: z
    .enum(['minor', 'major', 'blocking'])
    .describe('blocking: wrong or harmful. major: must be mended before a merge. minor: worth knowing.'),
  what: paragraph(2000, 'What is wrong.'),
  why: paragraph(2000, 'Why it matters: what a user or a maintainer would suffer.'),
});

/** A no needs a reason that is more than minor; a yes cannot stand beside a blocking finding. */
function isCoherent(verdict: { decision: string; findings: { severity: string }[] }): boolean {
  const severities = verdict.findings.map((each) => each.severity);
  return verdict.decision === 'approve' ? !severities.includes('blocking') : severities.some((s) => s !== 'minor');
}

export const learnedKinds = ['command', 'convention', 'pitfall', 'fact'] as const;
export const learnedScopes = ['project', 'task'] as const;
export const flagSeverities = ['low', 'medium', 'high'] as const;
export const flagCategories = ['security', 'bug', 'data', 'tests', 'environment', 'other'] as const;

/** The arguments of each verb, with what a caller is told of it. */
export const signalArguments = {
  done: z
    .object({ summary: paragraph(4000, 'What you changed and why.') })
    .describe('Ends your work: every acceptance check passes. They are run again on your exact result.'),
  partial: z
    .object({
      summary: paragraph(4000, 'What is done.'),
      remaining: paragraph(4000, 'What is left.').optional(),
    })
    .describe('Ends your work for now: you made progress, and another iteration should go on.'),
  stuck: z
    .object({ reason: paragraph(4000, 'What stops you and what you tried.') })
    .describe('Ends your work: you cannot go on, or cannot tell.'),
  ask: z
    .object({
      question: paragraph(2000, 'One question.'),
      blocking: z.boolean().default(true).describe('Whether nothing can go on without the answer.'),
      options: z.array(line(200, 'A possible answer.')).max(10).default([]),
      preferred: line(200, 'The option you would take, in the same words.').nullish().default(null),
    })
    .refine(({ options, preferred }) => preferred === null || options.length === 0 || options.includes(preferred), {
      path: ['preferred'],
      message: 'is none of the options',
    })
    .describe('Asks a person what only a person can decide. Nobody answers while you work: end with `stuck` after it.'),
  learned: z
    .object({
      text: paragraph(600, 'The lesson, in a sentence or two.'),
      kind: z.enum(learnedKinds).default('fact'),
      scope: z
        .enum(learnedScopes)
        .default('project')
        .describe('project: helps with any task here. task: only those who go on with this one.'),
    })
    .describe('Keeps a lesson for whoever works here after you. Only what the repository itself does not say.'),
  flag: z
    .object({
      what: paragraph(1000, 'What a person should know.'),
      severity: z.enum(flagSeverities).default('medium').describe('high: a person is asked to look at it.'),
      category: z.enum(flagCategories).default('other'),
    })
    .describe('Tells a person of something outside your task that should not be lost. You go on working.'),
  verdict: z
    .object({
      decision: z.enum(['approve', 'request_changes']),
      findings: z.array(finding).max(maxFindings).default([]),
      summary: paragraph(4000, 'What you looked at and how you came to the decision.'),
    })
    .refine(isCoherent, 'the findings contradict the decision')
    .describe(
      'Ends your review. request_changes needs a finding that is more than minor; approve none that is blocking.',
    ),
} as const;
export type SignalVerb = keyof typeof signalArguments;
export type SignalOf<V extends SignalVerb> = z.infer<(typeof signalArguments)[V]>;
export type Signal = { [V in SignalVerb]: { verb: V } & SignalOf<V> }[SignalVerb];

/** Who may say what; first how its work should end. A reviewer who cannot tell has an honest end of its own. */
export const roleVerbs: Readonly<Record<RalphRole, readonly [SignalVerb, ...SignalVerb[]]>> = {
  implementer: ['done', 'partial', 'stuck', 'ask', 'learned', 'flag'],
  reviewer: ['verdict', 'stuck', 'flag'],
};

export type ReadSignal = { ok: true; signal: Signal } | { ok: false; problems: string[] };

/** Total. `given` may hold more than the verb's arguments; each problem is named so that a caller can mend it. */
export function readSignal(role: RalphRole, verb: unknown, given: unknown): ReadSignal {
  const known = roleVerbs[role].find((each) => each === verb);
  if (known === undefined)
    return { ok: false, problems: [`there is no such verb; yours are: ${roleVerbs[role].join(', ')}`] };
  const read = signalArguments[known].safeParse(given);
  if (read.success) return { ok: true, signal: { verb: known, ...read.data } as Signal };
  const problems = read.error.issues.map((issue) => {
    const at = issue.path.join('.');
    return at === '' ? issue.message : `\`${at}\`: ${issue.message}`;
  });
  return { ok: false, problems };
}

/** The JSON Schema of a verb's arguments, as a caller has to give them. */
export function signalJsonSchema(verb: SignalVerb): Record<string, unknown> {
  const { $schema: _draft, description: _about, ...schema } = z.toJSONSchema(signalArguments[verb], { io: 'input' });
  return schema;
}
