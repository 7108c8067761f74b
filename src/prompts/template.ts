import { parse } from 'yaml';
import { z } from 'zod';
import { FleetError } from '../lib/errors.ts';

/**
 * A prompt = front matter (id, version, inputs with their size limits) and a text with `{{input}}`. Every mistake between the
 * two is found when it is loaded, not in the middle of the night: an input that is not declared, one that is never used.
 */
export interface PromptTemplate {
  id: string;
  version: number;
  inputs: Readonly<Record<string, { maxChars: number }>>;
  body: string;
}

const frontMatterSchema = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]*$/),
  version: z.number().int().positive(),
  inputs: z.record(
    z.string().regex(/^[a-z][a-z0-9_]*$/),
    z.strictObject({ maxChars: z.number().int().positive().max(1_000_000) }),
  ),
});

const placeholder = /\{\{\s*([^{}]*?)\s*\}\}/g;

/** `file` is for messages only. */
export function parseTemplate(text: string, file: string): PromptTemplate {
  const parts = /^---\n([\s\S]*?\n)---\n([\s\S]*)$/.exec(text.replaceAll('\r\n', '\n'));
  if (!parts) throw invalid(file, ['it does not begin with front matter between `---` lines']);
  const front = frontMatterSchema.safeParse(parseYaml(parts[1] ?? '', file));
  if (!front.success) {
    throw invalid(
      file,
      front.error.issues.map((issue) => `\`${issue.path.join('.') || 'front matter'}\`: ${issue.message}`),
    );
  }
  const body = (parts[2] ?? '').trim();
  const used = new Set([...body.matchAll(placeholder)].map((match) => match[1] ?? ''));
  const problems = [
    ...[...used].filter((name) => !Object.hasOwn(front.data.inputs, name)).map((name) => `unknown input \`${name}\``),
    ...Object.keys(front.data.inputs)
      .filter((name) => !used.has(name))
      .map((name) => `input \`${name}\` is declared and never used`),
  ];
  if (problems.length > 0) throw invalid(file, problems);
  return { ...front.data, body };
}

function parseYaml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw invalid(file, ['its front matter is not YAML'], cause);
  }
}

function invalid(file: string, problems: string[], cause?: unknown): FleetError {
  return new FleetError('invalid_file', `The prompt \`${file}\` is not valid: ${problems.join('; ')}.`, {
    details: { file, problems },
    cause,
  });
}

/** Values go in literally, in one pass: a `{{nonce}}` in a task's text stays what it is. Too long ones are cut, visibly. */
export function renderPrompt(template: PromptTemplate, values: Readonly<Record<string, string>>): string {
  const missing = Object.keys(template.inputs).filter((name) => !Object.hasOwn(values, name));
  const unknown = Object.keys(values).filter((name) => !Object.hasOwn(template.inputs, name));
  if (missing.length > 0 || unknown.length > 0) {
    const problems = [
      ...missing.map((name) => `value \`${name}\` is missing`),
      ...unknown.map((name) => `value \`${name}\` is not an input`),
    ];
    throw new FleetError('bug', `Cannot render the prompt \`${template.id}\`: ${problems.join('; ')}.`);
  }
  return `${template.body.replace(placeholder, (_, name: string) => capped(values[name] ?? '', template.inputs[name]?.maxChars ?? 0))}\n`;
}

function capped(value: string, maxChars: number): string {
  const clean = value.replaceAll('\0', '').toWellFormed();
  if (clean.length <= maxChars) return clean;
  return `${clean.slice(0, maxChars).toWellFormed()}\n[cut here: ${clean.length - maxChars} more characters]`;
}
