import { sha256 } from '../../lib/digest.ts';
import { type LineText, lineText } from './line-text.ts';
import type { LogSource } from './source.ts';

/** One line for Loki. */
export interface Entry {
  /** Nanoseconds since the epoch, in digits. */
  ns: string;
  line: string;
  /** Structured metadata, as JSON. */
  meta: string;
  /** Which of Loki's streams it belongs to: its labels, as JSON. */
  stream: string;
  /** All but the stream, as Loki wants it in a push. */
  value: string;
}

/** A line of a file: its first bytes, and how many it has. */
export interface RawLine {
  offset: number;
  bytes: Buffer;
  whole: number;
}

/** What a line's time depends on beside the line itself; kept with the plan of a batch, so that the same comes out again. */
export interface Stamp {
  /** Where the part begins in its file. */
  from: number;
  /** When its bytes were seen. */
  atMs: number;
  /** The time of the line before. */
  lastMs: number;
}

/** A file's own time of change may be a few milliseconds behind the clock; a record is not moved for that. */
const slackMs = 60_000;

export interface MakeEntriesDeps {
  fleet: string;
  hide: (text: string) => string;
}

/**
 * The lines of one part of a file. Loki ignores what it has already only if time and text are the same to the bit, so both come from the record:
 * the time of pino's own line, else the moment the bytes were seen; below a millisecond stands the line's place in the file, so that
 * two equal lines are two. Within a file times never fall, and none lies more than a moment after it was seen, whatever the clock did: Loki
 * refuses what is an hour behind its stream, or ten minutes in the future.
 */
export function makeEntries(
  source: LogSource,
  lines: readonly RawLine[],
  stamp: Stamp,
  deps: MakeEntriesDeps,
): { entries: Entry[]; lastMs: number } {
  const stream = JSON.stringify(labelsOf(source, deps.fleet));
  const isJson = source.kind === 'daemon' || source.kind === 'gateway';
  const seen = stamp.atMs;
  const latest = seen + slackMs;
  let lastMs = Math.min(stamp.lastMs === 0 && isJson ? firstTime(lines, seen) : stamp.lastMs, latest);
  const entries: Entry[] = [];
  const plain = JSON.stringify(source.ids);
  const place = isJson ? 0 : placeOf(source);
  for (const { offset, bytes, whole } of lines) {
    const said = lineText(bytes, whole, deps.hide);
    if (isJson) {
      const record = readRecord(said.text);
      lastMs = Math.max(lastMs, Math.min(record.atMs ?? lastMs, latest));
      const ns = `${lastMs}${String(offset % 1_000_000).padStart(6, '0')}`;
      entries.push(entryOf(ns, said.text, metaOf({ ...source.ids, ...record.ids }, said), stream));
    } else {
      lastMs = Math.max(lastMs, seen);
      const ns = `${lastMs}${String(place + offset - stamp.from).padStart(6, '0')}`;
      const kind = kindOf(source, said.text);
      const meta = kind === undefined && said.cut === 0 ? plain : metaOf(withKind(source.ids, kind), said);
      entries.push(entryOf(ns, said.text, meta, stream));
    }
  }
  return { entries, lastMs };
}

function entryOf(ns: string, line: string, meta: string, stream: string): Entry {
  return { ns, line, meta, stream, value: `["${ns}",${JSON.stringify(line)},${meta}]` };
}

/**
 * Two guests print the same at the same moment: they boot. Below the millisecond each has a place of its own, or Loki takes their lines for
 * one. A part has at most 2^18 bytes before its last line, so that it stays within the millisecond.
 */
function placeOf({ key }: LogSource): number {
  return Number.parseInt(sha256(key).slice(0, 8), 16) % 700_000;
}

/** The next part of a stream without times of its own begins a millisecond later, so that no two lines share a nanosecond. */
export function nextStampMs(source: LogSource, lastMs: number, seenMs: number): number {
  return source.kind === 'daemon' || source.kind === 'gateway' ? seenMs : Math.max(seenMs, lastMs + 1);
}

function labelsOf({ kind, labels }: LogSource, fleet: string): Record<string, string> {
  return { service_name: 'ralph-fleet', fleet, stream: kind, ...labels };
}

const firstType = /^\{"type":"([a-z_]{1,30})"/;

/** What an agent CLI calls its line; in some, `result` among them, that is not what stands first. */
function kindOf({ kind }: LogSource, text: string): string | undefined {
  if (kind !== 'iteration' || !text.startsWith('{')) return undefined;
  const [, first] = firstType.exec(text) ?? [];
  if (first !== undefined) return first;
  const { type } = parsed(text);
  return typeof type === 'string' && /^[a-z_]{1,30}$/.test(type) ? type : undefined;
}

function withKind(ids: Record<string, string>, kind: string | undefined): Record<string, string> {
  return kind === undefined ? ids : { ...ids, kind };
}

function metaOf(ids: Record<string, string>, { cut }: LineText): string {
  return JSON.stringify(cut === 0 ? ids : { ...ids, cut: String(cut) });
}

const levels: Record<string, string> = {
  '10': 'trace',
  '20': 'debug',
  '30': 'info',
  '40': 'warn',
  '50': 'error',
  '60': 'fatal',
};
const head = /^\{"level":(\d{1,3}),"time":"([^"]{20,30})"/;
const idKeys = ['project', 'task', 'ralph', 'iteration', 'vm', 'step', 'trace_id', 'span_id'] as const;
const maxIdChars = 200;

/** What stands before the first line with a time has that one's: Node's own words, before the log began. */
function firstTime(lines: readonly RawLine[], seen: number): number {
  for (const { bytes } of lines) {
    const atMs = timeOf(head.exec(bytes.toString('latin1', 0, 80)));
    if (atMs !== null) return atMs;
  }
  return seen;
}

function timeOf(found: RegExpExecArray | null): number | null {
  const atMs = Date.parse(found?.[2] ?? '');
  return Number.isFinite(atMs) && atMs > 0 ? atMs : null;
}

/** Level and time stand first in each of pino's lines, so that they are found in one that is cut too. */
function readRecord(text: string): { atMs: number | null; ids: Record<string, string> } {
  const found = head.exec(text);
  if (found === null) return { atMs: null, ids: {} }; // what Node itself prints as it dies
  const ids: Record<string, string> = { level: levels[found[1] ?? ''] ?? 'info' };
  const record = parsed(text);
  for (const key of idKeys) {
    const value = record[key];
    if (typeof value === 'string' || typeof value === 'number') ids[key] = String(value).slice(0, maxIdChars);
  }
  return { atMs: timeOf(found), ids };
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
