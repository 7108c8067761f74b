import { cleanLine } from '../lib/clean-text.ts';
import type { StreamItem, StreamParser, StreamSummary } from './agent.ts';
import { createLineSplitter, type SplitLine } from './line-splitter.ts';

/** What one JSON line of a CLI means; `{}` for a line that says nothing to a person. */
export interface LineMeaning {
  items?: StreamItem[];
  /** Changes of the summary. */
  summary?: Partial<Pick<StreamSummary, 'result' | 'doing' | 'rateLimitedUntil' | 'mcp'>>;
}

/** One readable item's text is cut to this; the whole stream is on disk. */
export const maxItemChars = 4000;
export const maxDetailChars = 200;

/** The parser of every CLI that prints one JSON object a line. `read` must not throw on any JSON object. */
export function createJsonLineParser(read: (line: Record<string, unknown>) => LineMeaning | null): StreamParser {
  const splitter = createLineSplitter();
  const summary: StreamSummary = {
    ...{ result: null, doing: null, lines: 0, garbageLines: 0, rateLimitedUntil: null },
    mcp: null,
  };

  function readLine(line: SplitLine): StreamItem[] {
    if (line.kind === 'line' && line.text.trim() === '') return [];
    summary.lines++;
    const value = line.kind === 'line' ? parseObject(line.text) : null;
    const meaning = value === null ? null : read(value);
    if (meaning === null) {
      summary.garbageLines++;
      return [{ kind: 'garbage', bytes: line.bytes }];
    }
    Object.assign(summary, meaning.summary);
    return meaning.items ?? [];
  }

  return {
    push: (chunk) => splitter.push(chunk).flatMap(readLine),
    end: () => splitter.end().flatMap(readLine),
    summary: () => ({ ...summary }),
  };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** `doing` for the status line, from a tool's name and what it works on. */
export function doingText(name: string, detail: string): string {
  return cleanLine(`${name} ${detail}`, 80);
}
