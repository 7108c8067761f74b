import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExec } from '../../src/lib/exec.ts';
import { type MetricName, metrics, prefix } from '../../src/telemetry/metrics.ts';
import { type CliHome, createCliHome } from '../support/cli-home.ts';
import { until } from '../support/gateway-process.ts';
import { freePort, startPrometheus } from '../support/prometheus.ts';

/** The real daemon and gateway, scraped; promtool and Prometheus as their users have them. */
const exec = createExec();
const openMetrics = 'application/openmetrics-text; version=1.0.0';
let home: CliHome;
let port: number;
let hook: Server;
const heard: { id: string; title: string; why: string }[] = [];

const url = (path: string) => `http://127.0.0.1:${port}${path}`;
const scrape = async (accept = '') => (await fetch(url('/metrics'), { headers: { accept } })).text();

/** The value of one series. */
function seriesIn(text: string, series: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${prefix}${series} `));
  return Number(line?.split(' ')[1]);
}

beforeAll(async () => {
  home = await createCliHome();
  port = await freePort();
  hook = createServer((req, res) => {
    let body = '';
    req.on('data', (part) => {
      body += part;
    });
    req.on('end', () => {
      heard.push(JSON.parse(body));
      res.end();
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => hook.once('listening', resolve));
  const { port: hookPort } = hook.address() as AddressInfo;
  await mkdir(join(home.paths.fleetYaml, '..'), { recursive: true });
  const lines = [
    'version: 1',
    `metrics: {listen: "127.0.0.1:${port}"}`,
    `notify: [{kind: webhook, url: "http://127.0.0.1:${hookPort}/"}]`,
  ];
  await writeFile(home.paths.fleetYaml, `${lines.join('\n')}\n`);
  expect(await home.cli('daemon', 'start')).toMatchObject({ code: 0 });
});

afterAll(async () => {
  hook?.close();
  await home?.[Symbol.asyncDispose]();
});

describe('the metrics of a daemon', () => {
  it('are what promtool finds nothing wrong with', async () => {
    await until('a pass', async () => seriesIn(await scrape(), 'last_pass_timestamp_seconds') > 0);
    const file = join(home.root, 'metrics.txt');
    await writeFile(file, await scrape());
    const { stdout, stderr } = await exec(['sh', '-c', 'promtool check metrics <"$1"', 'sh', file], {
      okExitCodes: [0, 1, 3],
    });
    expect(`${stdout}${stderr}`).toBe('');
  });

  it('are all in the catalogue, in both forms, also when asked at once', async () => {
    const [plain = '', open = '', again = ''] = await Promise.all([scrape(), scrape(openMetrics), scrape()]);
    for (const text of [plain, open, again]) {
      const names = [...text.matchAll(/^# TYPE ralph_fleet_(\S+) (\S+)$/gm)].map(([, name = '', type]) =>
        type === 'counter' ? name.replace(/(_total)?$/, '_total') : name,
      );
      expect(names.filter((name) => !(name in metrics))).toEqual([]);
      for (const name of Object.keys(metrics) as MetricName[])
        if (!name.startsWith('gateway_')) expect(names, name).toContain(name);
      expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
    }
    expect(open.endsWith('# EOF\n')).toBe(true);
    expect(seriesIn(plain, 'passes_total{result="ok"}')).toBeGreaterThan(0);
    expect(seriesIn(plain, 'driver_up')).toBe(0);
    expect(seriesIn(plain, 'store_bytes{part="fleet"}')).toBeGreaterThan(0);
    expect(seriesIn(plain, 'host_disk_free_bytes{part="state"}')).toBeGreaterThan(0);
  });

  it('count tasks, and what is counted stays over a restart', async () => {
    const folder = await home.repository('shop', {
      '.ralph/project.yaml': 'version: 1\nchecks: [{id: t, run: "true"}]',
    });
    expect(await home.cli('project', 'add', folder, '--yes')).toMatchObject({ code: 0 });
    expect(await home.cli('submit', 'Add a page')).toMatchObject({ code: 0 });
    expect(seriesIn(await scrape(), 'tasks{project="shop",phase="ready"}')).toBe(1);
    expect(await home.cli('task', 'cancel', 'T1', '--yes')).toMatchObject({ code: 0 });
    const counted = async () => seriesIn(await scrape(), 'tasks_finished_total{project="shop",result="cancelled"}');
    // A new series is seen at 0 first, or its first value would be no increase.
    expect(await counted()).toBe(0);
    expect(await counted()).toBe(1);
    const before = await home.daemonPid();
    await home.cli('daemon', 'stop');
    await home.cli('daemon', 'start');
    expect(await home.daemonPid()).not.toBe(before);
    expect(await counted()).toBe(1);
  });

  it('are for this machine’s own, and nothing else is served beside them', async () => {
    const status = async (path: string, init: RequestInit = {}) => (await fetch(url(path), init)).status;
    const json = { 'content-type': 'application/json' };
    const post = (body: string, headers: Record<string, string> = json) =>
      status('/api/v2/alerts', { method: 'POST', body, headers });
    expect(await status('/')).toBe(404);
    expect(await status('/metrics', { method: 'POST' })).toBe(404);
    expect(await post('[]', { 'content-type': 'text/plain' })).toBe(415);
    expect(await post('{')).toBe(400);
    expect(await post('[{"labels": 1}]')).toBe(400);
    expect(await post(`[${' '.repeat(600_000)}]`)).toBe(413);
    expect(await post('[]')).toBe(200);
    const named = ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '-H', 'Host: evil.example', url('/metrics')];
    expect((await exec(named)).stdout).toBe('403');
  });

  it('reach Prometheus, whose alerts reach people: each once, also over a restart of the daemon', async () => {
    const rules = join(home.root, 'rules.yml');
    const rule = [
      'groups:',
      '  - name: t',
      '    rules:',
      '      - alert: RalphFleetTried',
      '        expr: ralph_fleet_driver_up == 0',
      '        keep_firing_for: 2m',
      '        labels: {severity: critical}',
      '        annotations: {summary: "The driver is away.", action: "Run `ralph-fleet doctor`."}',
    ];
    await writeFile(rules, `${rule.join('\n')}\n`);
    const shipped = join(import.meta.dirname, '../../telemetry/prometheus/alerts.yml');
    await using prometheus = await startPrometheus({ target: `127.0.0.1:${port}`, rules: [rules, shipped] });
    await until('the target is up', async () => (await prometheus.query('up{job="ralph-fleet"}'))[0]?.value === 1);
    await until('the ping', () => heard.length > 0);
    const problem = async () => {
      const { problems } = JSON.parse((await home.cli('status', '--json')).out);
      return problems.find(({ what }: { what: string }) => what === 'The driver is away.');
    };
    expect(await problem()).toMatchObject({ severity: 'error', remedy: 'Run `ralph-fleet doctor`.' });
    await home.cli('daemon', 'stop');
    await home.cli('daemon', 'start');
    await until('it is sent again', problem);
    const pings = heard.filter(({ title }) => title === 'The driver is away.');
    expect(pings).toMatchObject([{ why: 'Run `ralph-fleet doctor`. (RalphFleetTried)' }]);
    expect(seriesIn(await scrape(), 'alerts_received_total{severity="critical"}')).toBe(1);
    expect((await prometheus.rules()).filter(({ health }) => health === 'err')).toEqual([]);
  });
});

describe('a port that another program has', () => {
  it('stops nothing, is said, and is taken once it is free', async () => {
    await home.cli('daemon', 'stop');
    const other = createServer((_, res) => res.end('other')).listen(port, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    expect(await home.cli('daemon', 'start')).toMatchObject({ code: 0 });
    const problem = async () => {
      const { problems } = JSON.parse((await home.cli('status', '--json')).out);
      return problems.find(({ what }: { what: string }) => what.startsWith('metrics are not served'));
    };
    expect(await problem()).toMatchObject({
      what: `metrics are not served: another program listens on \`127.0.0.1:${port}\``,
      severity: 'warning',
      remedy: expect.stringContaining('metrics.listen'),
    });
    other.close();
    other.closeAllConnections();
    await until('the daemon has it', async () => (await scrape().catch(() => '')).includes('ralph_fleet_build_info'));
    expect(await problem()).toBe(undefined);
  });
});

it('the page of the metrics is the catalogue’s', async () => {
  const page = await readFile(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8');
  for (const name of Object.keys(metrics)) expect(page).toContain(`| \`${name}\` |`);
});
