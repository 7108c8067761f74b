import { type Document, isMap, isNode, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { type ParsedDocument, problemAt } from './parsed.ts';
import { type FileProblem, formatPath, refuseProblems } from './problems.ts';
import { schemaProblems } from './schema-problems.ts';

/** What a person wrote, with its name for messages. */
export interface Source {
  file: string;
  text: string;
}

export const maxBytes = 512 * 1024;
/** Anchors save a few lines; many aliases only serve to blow up memory. */
const maxAliases = 50;

/** YAML 1.2 with `5_000_000` for integers, as formats.md writes them. Throws `invalid_file` with every syntax problem. */
export function parseYaml({ file, text }: Source): ParsedDocument {
  refuseSize({ file, text });
  const lines = new LineCounter();
  const doc = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'error', // what it would print on stderr is refused below
    customTags: (tags) => [underscoredInteger, ...tags],
  });
  const problems = [...doc.errors, ...doc.warnings].map((error) => {
    const at = lines.linePos(error.pos[0]);
    return { line: at.line, col: at.col, path: '', ...sayYamlError(error.code, error.message) };
  });
  refuseProblems(file, problems);
  return { value: plainValue(file, doc), locate: locator(doc, lines) };
}

const underscoredInteger = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  test: /^[-+]?[0-9]+(?:_[0-9]+)+$/,
  resolve: (text: string) => Number(text.replaceAll('_', '')),
} as const;

function plainValue(file: string, doc: Document): unknown {
  try {
    return doc.toJS({ maxAliasCount: maxAliases });
  } catch (error) {
    const message = error instanceof ReferenceError ? 'uses too many aliases (`*name`)' : 'cannot be read';
    refuseProblems(file, [{ line: null, col: null, path: '', message, remedy: 'write the values out' }]);
    throw error;
  }
}

function sayYamlError(code: string, message: string): { message: string; remedy: string | null } {
  const first = (message.split('\n')[0] ?? '').slice(0, 200);
  if (code === 'TAB_AS_INDENT') return { message: 'is indented with a tab', remedy: 'use spaces' };
  if (code === 'DUPLICATE_KEY') return { message: 'has the same key twice', remedy: 'keep one of them' };
  if (code === 'MULTIPLE_DOCS') return { message: 'holds several documents', remedy: 'keep the first, without `---`' };
  return { message: `is not valid: ${first}`, remedy: null };
}

export function locator(doc: Document, lines: LineCounter): ParsedDocument['locate'] {
  return (path, key = false) => {
    for (let depth = path.length; depth >= 0; depth--) {
      const offset = offsetOf(doc, path.slice(0, depth), key && depth === path.length);
      if (offset !== null) return lines.linePos(offset);
    }
    return null;
  };
}

function offsetOf(doc: Document, path: readonly PropertyKey[], key: boolean): number | null {
  if (path.length === 0) return doc.contents?.range?.[0] ?? null;
  if (key) {
    const parent = path.length === 1 ? doc.contents : doc.getIn(path.slice(0, -1), true);
    if (!isMap(parent)) return null;
    const pair = parent.items.find((item) => String(item.key) === String(path.at(-1)));
    return isNode(pair?.key) ? (pair.key.range?.[0] ?? null) : null;
  }
  const node = doc.getIn(path, true);
  return isNode(node) ? (node.range?.[0] ?? null) : null;
}

export function refuseSize({ file, text }: Source): void {
  if (text.length <= maxBytes) return;
  const message = `is ${Math.round(text.length / 1024)} KiB; at most ${maxBytes / 1024} KiB are read`;
  refuseProblems(file, [{ line: null, col: null, path: '', message, remedy: 'is this the right file?' }]);
}

/** Checks a parsed file against its schema; throws `invalid_file` with every problem and where it stands. */
export function checkDocument<T extends z.ZodType>(source: Source, parsed: ParsedDocument, schema: T): z.output<T> {
  const result = schema.safeParse(parsed.value ?? {}, { reportInput: true });
  if (!result.success) {
    refuseProblems(source.file, schemaProblems(schema, result.error, parsed));
    throw result.error;
  }
  refuseProblems(source.file, brokenTexts(parsed, parsed.value, []));
  return result.data;
}

/** A zero byte ends a command where nobody sees it, and half a character is no UTF-8: neither gets as far as a guest. */
function brokenTexts(parsed: ParsedDocument, value: unknown, path: readonly PropertyKey[]): FileProblem[] {
  if (typeof value === 'string') {
    const isBroken = value.includes('\0') || !value.isWellFormed();
    const what = { message: 'holds a zero byte or half a character', remedy: 'take it out' };
    return isBroken ? [problemAt(parsed, path, formatPath(path), what)] : [];
  }
  if (typeof value !== 'object' || value === null) return [];
  const parts = Array.isArray(value) ? value.entries() : Object.entries(value);
  return [...parts].flatMap(([key, part]) => brokenTexts(parsed, part, [...path, key]));
}
