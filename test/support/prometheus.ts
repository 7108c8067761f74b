import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './gateway-process.ts';

/** A real Prometheus that scrapes a fleet, in a folder of its own, until it is disposed of. */
export interface Prometheus extends AsyncDisposable {
  url: string;
  /** Instant query; throws what Prometheus says of a wrong one. */
  query(expr: string): Promise<{ labels: Record<string, string>; value: number }[]>;
  rules(): Promise<{ name: string; health: string; lastError?: string }[]>;
}

export async function startPrometheus(options: { target: string; rules: readonly string[] }): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'rf-prometheus-'));
  const at = `127.0.0.1:${await freePort()}`;
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: options.rules,
    scrape_configs: [{ job_name: 'ralph-fleet', static_configs: [{ targets: [options.target] }] }],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [options.target] }] }] },
  };
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config)); // JSON is YAML
  const argv = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${at}`,
    '--rules.alert.resend-delay=2s',
    '--log.level=warn',
  ];
  const child = spawn('prometheus', argv, { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder });
  let said = '';
  child.stderr.on('data', (part) => {
    said += part;
  });
  await once(child, 'spawn');
  const ask = async (path: string) => {
    const answer = await fetch(`http://${at}${path}`);
    const body = (await answer.json()) as { status: string; data: Answer; error?: string };
    if (body.status !== 'success') throw new Error(body.error);
    return body.data;
  };
  await until('Prometheus is ready', async () => {
    if (child.exitCode !== null) throw new Error(`Prometheus has ended: ${said}`);
    return fetch(`http://${at}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return {
    url: `http://${at}`,
    async query(expr) {
      const { result = [] } = await ask(`/api/v1/query?query=${encodeURIComponent(expr)}`);
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    rules: async () => (await ask('/api/v1/rules')).groups?.flatMap(({ rules }) => rules) ?? [],
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      if (child.exitCode === null && child.kill('SIGTERM')) await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Answer {
  result?: { metric: Record<string, string>; value: [number, string] }[];
  groups?: { rules: { name: string; health: string; lastError?: string }[] }[];
}

/** On this machine, a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
