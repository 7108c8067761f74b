import { z } from 'zod';
import { createJsonMembers, type JsonMembers, type Paths } from '../../lib/json-members.ts';
import { noUsage, type Usage } from './prices.ts';
import { createSseParser } from './sse.ts';

/**
 * Reads usage from an answer's bytes on their way through. Never throws and holds nothing but the members it looks for: what cannot
 * be read is not counted, and passed on all the same.
 */
export interface Meter {
  push(bytes: Uint8Array): void;
  /** No more bytes will come. */
  end(): void;
  seen(): Seen;
}

export interface Seen {
  /** As the provider names it; null when it has not said. */
  model: string | null;
  usage: Usage;
  /** The provider has said what the prompt took; what the output took. */
  saysInput: boolean;
  saysOutput: boolean;
  /** The provider has said its last word. */
  isFinal: boolean;
  /** Bytes of output that came: no token is less than one. */
  outputBytes: number;
  /** There may be output that was billed and not delivered (thinking that is not shown). */
  hidesOutput: boolean;
}

export const unseen: Seen = {
  model: null,
  usage: noUsage,
  saysInput: false,
  saysOutput: false,
  isFinal: false,
  outputBytes: 0,
  hidesOutput: true,
};

/** One API's way of telling: what to look for in an event or in the one JSON answer, and what it means. */
export interface Dialect {
  eventPaths: Paths;
  answerPaths: Paths;
  create(): {
    event(members: JsonMembers): void;
    answer(members: JsonMembers): void;
    /** Data that is no JSON (`[DONE]`). */
    mark?(text: string): void;
    seen(): Seen;
  };
}

const maxMarkBytes = 16;

export function createMeter(dialect: Dialect, contentType: string): Meter {
  const reader = dialect.create();
  return contentType.startsWith('text/event-stream') ? streamMeter(dialect, reader) : answerMeter(dialect, reader);
}

function streamMeter({ eventPaths }: Dialect, reader: ReturnType<Dialect['create']>): Meter {
  let members = createJsonMembers(eventPaths);
  let mark = '';
  const parser = createSseParser({
    data: (bytes) => {
      members.push(bytes);
      if (mark.length < maxMarkBytes) mark += bytes.subarray(0, maxMarkBytes).toString('latin1');
    },
    end: () => {
      if (members.state() === 'whole') reader.event(members);
      else reader.mark?.(mark);
      members = createJsonMembers(eventPaths);
      mark = '';
    },
  });
  return { push: parser.push, end: () => {}, seen: reader.seen };
}

function answerMeter({ answerPaths }: Dialect, reader: ReturnType<Dialect['create']>): Meter {
  const members = createJsonMembers(answerPaths);
  return {
    push: members.push,
    end: () => {
      if (members.state() === 'whole') reader.answer(members);
    },
    seen: reader.seen,
  };
}

/** Made once: making a schema takes longer than using it. */
export const text = z.string();
export const count = z.number().int().nonnegative().max(1e12).nullish().catch(null);

/** The last value of a member, read by a schema; null when it is missing, too long or of another form. */
export function read<T>(members: JsonMembers, path: string, schema: z.ZodType<T>): T | null {
  const text = members.get(path)?.texts.at(-1);
  if (text === undefined) return null;
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

export function bytesAt(members: JsonMembers, ...paths: readonly string[]): number {
  return paths.reduce((sum, path) => sum + quoteless(members, path), 0);
}

/** Without the quotes of each string. */
function quoteless(members: JsonMembers, path: string): number {
  const member = members.get(path);
  return member === null ? 0 : Math.max(0, member.bytes - 2 * member.count);
}

export const modelName = z.string().min(1).max(200);
