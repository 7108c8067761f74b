import type { Entry } from './entry.ts';

/** What became of a push. `isUnsure`: Loki may have taken some of it all the same. */
export type Answer =
  | { kind: 'taken' }
  /** Loki says that lines of it are not acceptable; those that are, it has taken. Sent again they fail again. */
  | { kind: 'rejected'; text: string }
  | { kind: 'failed'; why: PushFailure; text: string; isUnsure: boolean; retryAfterMs: number | null };

/** refused: no right, no such address; overloaded: 429; error: 5xx; unreachable: no answer at all. */
export const pushFailures = ['refused', 'overloaded', 'error', 'unreachable'] as const;
export type PushFailure = (typeof pushFailures)[number];

export interface Loki {
  push(entries: readonly Entry[], signal: AbortSignal): Promise<Answer>;
  /** Those of the lines that are not in Loki, in their order; 'denied' where it may not be asked. Throws while it does not answer. */
  missing(entries: readonly Entry[], signal: AbortSignal): Promise<Entry[] | 'denied'>;
}

export interface LokiOptions {
  /** Its base, as in fleet.yaml. */
  url: string;
  /** No answer for so long is none. */
  deadlineMs: number;
}

const shownText = 500;

export function createLoki({ url, deadlineMs }: LokiOptions): Loki {
  const base = url.replace(/\/+$/, '').replace(/\/loki\/api\/v1\/push$/, '');

  async function call(path: string, signal: AbortSignal, init: RequestInit = {}): Promise<Response> {
    const both = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
    return fetch(`${base}${path}`, { ...init, signal: both, redirect: 'manual' });
  }

  return {
    async push(entries, signal) {
      try {
        const headers = { 'content-type': 'application/json' };
        const answer = await call('/loki/api/v1/push', signal, { method: 'POST', headers, body: encode(entries) });
        const text = (await answer.text()).slice(0, 64 * 1024);
        return judge(answer.status, text, answer.headers.get('retry-after'));
      } catch (error) {
        signal.throwIfAborted();
        return { kind: 'failed', why: 'unreachable', retryAfterMs: null, ...network(error) };
      }
    },
    async missing(entries, signal) {
      const kept: Entry[] = [];
      for (const group of grouped(entries).values()) {
        const found = await presentLines(group);
        if (found === 'denied') return 'denied';
        kept.push(...group.filter((entry) => found.get(entry.ns)?.has(entry.line) !== true));
      }
      const isKept = new Set(kept);
      return entries.filter((entry) => isKept.has(entry));

      async function presentLines(group: readonly Entry[]): Promise<Map<string, Set<string>> | 'denied'> {
        const times = group.map(({ ns }) => BigInt(ns)).toSorted((a, b) => Number(a - b));
        const [first = 0n, last = 0n] = [times[0], times.at(-1)];
        const pageLines = linesPerPage(group);
        const found = new Map<string, Set<string>>();
        for (let start = first; ; ) {
          const query = new URLSearchParams({
            query: `${selector(group[0]?.stream ?? '{}')} | keep service_name`,
            ...{ start: String(start), end: String(last + 1n), limit: String(pageLines), direction: 'forward' },
          });
          const answer = await call(`/loki/api/v1/query_range?${query}`, signal);
          const text = await answer.text();
          if ([401, 403, 404, 405, 501].includes(answer.status)) return 'denied';
          if (answer.status !== 200)
            throw new Error(`Loki answers a query with ${answer.status}: ${text.slice(0, 200)}`);
          const values = valuesOf(text);
          for (const [ns, line] of values) found.set(ns, (found.get(ns) ?? new Set()).add(line));
          const furthest = values
            .map(([ns]) => BigInt(ns))
            .toSorted((a, b) => Number(a - b))
            .at(-1);
          if (values.length < pageLines || furthest === undefined || furthest >= last) return found;
          start = furthest + 1n;
        }
      }
    },
  };
}

/** The body of a push: lines by their stream, in order, oldest first (JSON of Loki's HTTP API, /loki/api/v1/push). */
export function encode(entries: readonly Entry[]): string {
  const streams: string[] = [];
  for (const [labels, group] of grouped(entries)) {
    streams.push(`{"stream":${labels},"values":[${group.map(({ value }) => value).join(',')}]}`);
  }
  return `{"streams":[${streams.join(',')}]}`;
}

function grouped(entries: readonly Entry[]): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.stream);
    if (group === undefined) groups.set(entry.stream, [entry]);
    else group.push(entry);
  }
  return groups;
}

function judge(status: number, text: string, retryAfter: string | null): Answer {
  if (status >= 200 && status < 300) return { kind: 'taken' };
  if (status === 400 || status === 413 || status === 422) return { kind: 'rejected', text };
  const seconds = Number(retryAfter ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 60) * 1000 : null;
  const failed = { kind: 'failed', text: text.slice(0, shownText), retryAfterMs } as const;
  // The tenant's limit is looked at before anything is stored; the limit of a stream while its neighbours are.
  if (status === 429) return { ...failed, why: 'overloaded', isUnsure: !/^ingestion rate limit/i.test(text) };
  if (status >= 500) return { ...failed, why: 'error', isUnsure: true };
  return { ...failed, why: 'refused', isUnsure: false, text: `HTTP ${status} ${failed.text}` };
}

/** Where no connection came about, nothing was sent. */
const neverSent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

function network(error: unknown): { text: string; isUnsure: boolean } {
  const cause = (error as { cause?: { code?: unknown; message?: unknown } }).cause;
  const code = String(cause?.code ?? (error as Error).name);
  return { text: String(cause?.message || cause?.code || (error as Error).message), isUnsure: !neverSent.has(code) };
}

/** Answers stay small: a page holds about 2 MiB of lines, and no more lines than Loki gives at once. */
function linesPerPage(group: readonly Entry[]): number {
  const bytes = group.reduce((sum, { line }) => sum + line.length + 40, 0);
  return Math.max(20, Math.min(5000, Math.floor((2 * 1024 ** 2 * group.length) / bytes)));
}

function selector(labels: string): string {
  const pairs = Object.entries(JSON.parse(labels) as Record<string, string>);
  return `{${pairs.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}}`;
}

function valuesOf(text: string): [ns: string, line: string][] {
  const answer = JSON.parse(text) as { data?: { result?: { values?: [string, string][] }[] } };
  return (answer.data?.result ?? []).flatMap(({ values }) => values ?? []);
}
