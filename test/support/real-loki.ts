import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolvePaths } from '../../src/lib/paths.ts';
import { until } from './gateway-process.ts';

/** The Loki that `scripts/setup --with telemetry` builds; null where it was not set up. */
export const lokiProgram = [join(resolvePaths().tools, 'bin/loki')].find((path) => existsSync(path)) ?? null;
export const withoutLoki = 'no Loki here: scripts/setup --with telemetry';

/** A real Loki on this machine, with a folder of its own. */
export interface RealLoki {
  url: string;
  pid(): number;
  start(): Promise<void>;
  /** With SIGKILL: as a power cut of the process. */
  kill(): Promise<void>;
  /** Every line of one stream, in the order of its times; a line that is there twice is told twice. */
  lines(selector: string): Promise<string[]>;
  /** How many lines, or points of a metric, the query finds in the last hour; throws what Loki says of a wrong one. */
  count(query: string): Promise<number>;
  close(): Promise<void>;
}

export async function startRealLoki(): Promise<RealLoki> {
  if (lokiProgram === null) throw new Error(withoutLoki);
  const program = lokiProgram;
  const folder = await mkdtemp(join(tmpdir(), 'rf-loki-'));
  const [http, grpc] = [await freePort(), await freePort()];
  const file = join(folder, 'loki.yaml');
  await mkdir(join(folder, 'data'));
  await writeFile(file, configuration(join(folder, 'data'), http, grpc));
  const url = `http://127.0.0.1:${http}`;
  let child: ChildProcess | null = null;

  async function start(): Promise<void> {
    const log = openSync(join(folder, 'loki.log'), 'a');
    const env = { ...process.env, GOMAXPROCS: '1' };
    child = spawn(program, [`-config.file=${file}`], { env, stdio: ['ignore', log, log] });
    await until('Loki is ready', isReady, 120_000).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${(await readFile(join(folder, 'loki.log'), 'utf8')).slice(-2000)}`);
    });
  }

  async function isReady(): Promise<boolean> {
    return fetch(`${url}/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  async function kill(): Promise<void> {
    const running = child;
    child = null;
    if (running === null || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await ended;
  }

  await start();
  return {
    url,
    start,
    kill,
    pid: () => child?.pid ?? 0,
    async lines(selector) {
      const found: string[] = [];
      for (let start = BigInt(Date.now() - 86_400_000) * 1_000_000n; ; ) {
        const end = BigInt(Date.now() + 60_000) * 1_000_000n;
        const asked = new URLSearchParams({
          query: `${selector} | keep service_name`,
          ...{ start: String(start), end: String(end), limit: '5000', direction: 'forward' },
        });
        const answer = await fetch(`${url}/loki/api/v1/query_range?${asked}`);
        if (!answer.ok) throw new Error(`Loki answers with ${answer.status}: ${await answer.text()}`);
        const { data } = (await answer.json()) as { data: { result: { values: [string, string][] }[] } };
        const values = data.result.flatMap(({ values }) => values);
        for (const [, line] of values) found.push(line);
        const last = values.at(-1);
        if (last === undefined || values.length < 5000) return found;
        start = BigInt(last[0]) + 1n;
      }
    },
    async count(query) {
      const now = Date.now();
      const asked = new URLSearchParams({ query, start: `${now - 3_600_000}000000`, end: `${now + 60_000}000000` });
      const answer = await fetch(`${url}/loki/api/v1/query_range?${asked}`);
      if (!answer.ok) throw new Error(`Loki answers with ${answer.status}: ${await answer.text()}`);
      const { data } = (await answer.json()) as { data: { result: { values: unknown[] }[] } };
      return data.result.reduce((sum, { values }) => sum + values.length, 0);
    },
    async close() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** One process, everything in one folder, on loopback alone, says nothing to anybody; limits that a burst does not meet. */
function configuration(folder: string, http: number, grpc: number): string {
  return `auth_enabled: false
server: {http_listen_address: 127.0.0.1, http_listen_port: ${http}, grpc_listen_address: 127.0.0.1, grpc_listen_port: ${grpc}, log_level: warn}
common:
  path_prefix: ${folder}
  replication_factor: 1
  instance_addr: 127.0.0.1
  ring: {kvstore: {store: inmemory}}
  storage: {filesystem: {chunks_directory: ${folder}/chunks, rules_directory: ${folder}/rules}}
schema_config:
  configs: [{from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}]
analytics: {reporting_enabled: false}
querier: {query_ingesters_within: 0s}
limits_config:
  ingestion_rate_mb: 256
  ingestion_burst_size_mb: 512
  per_stream_rate_limit: 256MB
  per_stream_rate_limit_burst: 512MB
`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
