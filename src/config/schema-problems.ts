import { z } from 'zod';
import { nearest } from '../lib/nearest.ts';
import { type ParsedDocument, problemAt } from './parsed.ts';
import { type FileProblem, formatPath } from './problems.ts';

type Issue = z.core.$ZodIssue;

/** zod's findings in a person's words, each where it stands in the file, unknown keys with the nearest known one. */
export function schemaProblems(schema: z.ZodType, error: z.ZodError, parsed: ParsedDocument): FileProblem[] {
  return error.issues.flatMap((issue) => issueProblems(schema, issue, parsed));
}

function issueProblems(schema: z.ZodType, issue: Issue, parsed: ParsedDocument): FileProblem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), issue.path);
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      const near = nearest(key, known, 1)[0];
      const remedy = near === undefined ? `known here: ${known.join(', ')}` : `did you mean \`${near}\`?`;
      return problemAt(parsed, path, formatPath(path), { message: 'is not a known key', remedy, key: true });
    });
  }
  return [problemAt(parsed, issue.path, formatPath(issue.path), sayIssue(issue))];
}

function sayIssue(issue: Issue): { message: string; remedy: string | null } {
  const found = show(issue.input);
  switch (issue.code) {
    case 'invalid_type': {
      if (issue.input === undefined) return { message: 'is missing', remedy: `add it (${article(issue.expected)})` };
      const isOldBoolean = issue.expected === 'boolean' && /^(yes|no|on|off|y|n)$/i.test(String(issue.input));
      const remedy = isOldBoolean ? 'write `true` or `false`' : `write ${article(issue.expected)}`;
      return { message: `is ${found}`, remedy };
    }
    case 'invalid_value':
      if (issue.input === undefined)
        return { message: 'is missing', remedy: `add it (${issue.values.map(String).join(', ')})` };
      return { message: `is ${found}`, remedy: `one of: ${issue.values.map(String).join(', ')}` };
    case 'too_small':
      return {
        message: `is ${found}`,
        remedy: `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${unit(issue.origin)}`,
      };
    case 'too_big':
      return { message: `is ${found}`, remedy: `at most ${issue.maximum}${unit(issue.origin)}` };
    case 'invalid_union':
      return sayUnion(issue);
    default:
      return { message: `is ${found}`, remedy: issue.message };
  }
}

function sayUnion(issue: z.core.$ZodIssueInvalidUnion): { message: string; remedy: string | null } {
  if (issue.discriminator === undefined) return { message: `is ${show(issue.input)}`, remedy: unionRemedy(issue) };
  const given = isJson(issue.input) ? (issue.input as Record<string, unknown>)[issue.discriminator] : issue.input;
  const wanted = issue.message.split('Expected ').at(-1) ?? '';
  return {
    message: given === undefined ? 'is missing' : `is ${show(given)}`,
    remedy: `one of: ${wanted.replaceAll("'", '').replaceAll(' | ', ', ')}`,
  };
}

function unionRemedy(issue: z.core.$ZodIssueInvalidUnion): string {
  const wanted = issue.errors
    .map((branch) => branch[0])
    .flatMap((first) => {
      if (first?.code === 'invalid_type') return [article(first.expected)];
      if (first?.code === 'invalid_value') return first.values.map((value) => `\`${String(value)}\``);
      return first === undefined ? [] : [sayIssue(first).remedy ?? first.message];
    });
  return wanted.length === 0 ? issue.message : `write ${wanted.join(' or ')}`;
}

const articles: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: '`true` or `false`',
  array: 'a list',
  object: 'a map of keys',
  record: 'a map of keys',
};
function article(expected: string): string {
  return articles[expected] ?? expected;
}

function unit(origin: string): string {
  if (origin === 'string') return ' characters';
  return origin === 'array' ? ' entries' : '';
}

/** What stands there, short: hostile or huge values never reach the terminal whole. */
function show(input: unknown): string {
  if (typeof input === 'string') return JSON.stringify(input.length > 40 ? `${input.slice(0, 40)}…` : input);
  if (input === null) return 'empty';
  if (Array.isArray(input)) return 'a list';
  return typeof input === 'object' ? 'a map' : String(input);
}

type Json = z.core.JSONSchema.BaseSchema;

/** Keys the schema knows at a path. */
function keysAt(schema: Json, path: readonly PropertyKey[]): string[] {
  let at: Json[] = [schema];
  for (const part of path) {
    at = at.flatMap(branches).flatMap((one): Json[] => {
      const next = typeof part === 'number' ? one.items : (one.properties?.[String(part)] ?? one.additionalProperties);
      return isJson(next) ? [next] : [];
    });
  }
  return [...new Set(at.flatMap(branches).flatMap((one) => Object.keys(one.properties ?? {})))];
}

function branches(schema: Json): Json[] {
  return [schema, ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].filter(isJson).flatMap(branches)];
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
