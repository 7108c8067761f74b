import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the fake does with one push. `stored`: so much of it is kept before the answer. */
export interface Fault {
  status?: number;
  text?: string;
  /** Which lines are kept; default: all for 2xx, none otherwise. */
  stored?: (line: string, at: number) => boolean;
  /** Never answers; or breaks the connection. */
  instead?: 'hang' | 'reset';
}

export interface FakeLine {
  ns: string;
  line: string;
  labels: Record<string, string>;
  meta: Record<string, string>;
}

/**
 * The two routes of Loki's API that the relay uses, with faults on demand. Stricter than Loki: it keeps what it is sent twice, so that a
 * test sees each double.
 */
export interface FakeLoki {
  url: string;
  lines: FakeLine[];
  pushes: number;
  queries: number;
  /** Says what becomes of the n-th push (1 is the first) and of each line in it; null: it is taken. */
  onPush: (n: number, lines: readonly FakeLine[]) => Fault | null;
  /** The status of the answer to a query; null: it answers. */
  onQuery: (n: number) => number | null;
  close(): Promise<void>;
}

export async function startFakeLoki(port = 0): Promise<FakeLoki> {
  const server = createServer((request, response) => {
    void serve(request, response);
  });
  const fake: FakeLoki = {
    url: '',
    lines: [],
    pushes: 0,
    queries: 0,
    onPush: () => null,
    onQuery: () => null,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    if (url.pathname === '/loki/api/v1/push') push(JSON.parse(await bodyOf(request)), response);
    else if (url.pathname === '/loki/api/v1/query_range') query(url.searchParams, response);
    else response.writeHead(404).end();
  }

  function push(body: Pushed, response: ServerResponse): void {
    const lines = body.streams.flatMap(({ stream, values }) =>
      values.map(([ns, line, meta]) => ({ ns, line, labels: stream, meta: meta ?? {} })),
    );
    const fault = fake.onPush(++fake.pushes, lines);
    const isGood = fault === null || (fault.status !== undefined && fault.status < 300);
    const stored = fault?.stored ?? (() => isGood);
    fake.lines.push(...lines.filter(({ line }, at) => stored(line, at)));
    if (fault?.instead === 'hang') return;
    if (fault?.instead === 'reset') response.socket?.resetAndDestroy();
    else response.writeHead(fault?.status ?? 204).end(fault?.text ?? '');
  }

  function query(asked: URLSearchParams, response: ServerResponse): void {
    const status = fake.onQuery(++fake.queries);
    if (status !== null) return void response.writeHead(status).end('no');
    const wanted = [...(asked.get('query') ?? '').matchAll(/(\w+)="([^"]*)"/g)];
    const [start, end] = [BigInt(asked.get('start') ?? 0), BigInt(asked.get('end') ?? 0)];
    const values = fake.lines
      .filter(({ labels }) => wanted.every(([, name, value]) => labels[name ?? ''] === value))
      .filter(({ ns }) => BigInt(ns) >= start && BigInt(ns) < end)
      .toSorted((a, b) => (BigInt(a.ns) < BigInt(b.ns) ? -1 : 1))
      .slice(0, Number(asked.get('limit')))
      .map(({ ns, line }) => [ns, line]);
    response.writeHead(200).end(JSON.stringify({ data: { result: [{ stream: {}, values }] } }));
  }

  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return fake;
}

interface Pushed {
  streams: { stream: Record<string, string>; values: [string, string, Record<string, string>?][] }[];
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
