import { z } from 'zod';
import { get } from './health.ts';
import { type Ports, type ServiceName, urlOf } from './services.ts';

/** What a service that is ready says when it is asked for what it has. */
export interface Found {
  /** For people: `4,412 series`. */
  text: string;
  /** What is wrong with it, and what to do; null when nothing is. */
  problem: string | null;
}

/** One question to a service, as Grafana would ask it. Never throws: what is wrong is told. */
export async function ask(name: ServiceName, ports: Ports, password: string): Promise<Found> {
  const question = questions[name];
  const url = `${urlOf(ports[name])}${question.path}`;
  const answer = await get(url, name === 'grafana' ? `admin:${password}` : undefined);
  if (answer === null) return { text: 'no answer', problem: `${url} does not answer` };
  if (answer.status !== 200) return { text: `HTTP ${answer.status}`, problem: question.wrong(answer.status) };
  try {
    return { text: question.read(JSON.parse(answer.text)), problem: null };
  } catch {
    return { text: 'an answer nobody understands', problem: `${url} answers what this version does not know` };
  }
}

interface Question {
  path: string;
  read(answer: unknown): string;
  wrong(status: number): string;
}

const vector = z.object({
  data: z.object({ result: z.array(z.object({ value: z.tuple([z.number(), z.string()]) })) }),
});
const count = (answer: unknown) => Number(vector.parse(answer).data.result[0]?.value[1] ?? 0);
const shown = (number: number, noun: string) => `${number.toLocaleString('en-US')} ${noun}`;
const refused = (status: number) => `it refuses a query (HTTP ${status})`;
const query = (text: string) => encodeURIComponent(text);

const questions: Record<ServiceName, Question> = {
  prometheus: {
    path: `/api/v1/query?query=${query('count({__name__=~".+"})')}`,
    read: (answer) => shown(count(answer), 'series'),
    wrong: refused,
  },
  loki: {
    path: `/loki/api/v1/query?query=${query('sum(count_over_time({service_name="ralph-fleet"}[1h]))')}`,
    read: (answer) => shown(count(answer), 'lines in the last hour'),
    wrong: refused,
  },
  tempo: {
    path: `/api/search?limit=20&q=${query('{}')}`,
    read: (answer) => {
      const traces = z.object({ traces: z.array(z.unknown()).nullish() }).parse(answer).traces ?? [];
      return traces.length === 20
        ? '20 traces or more'
        : shown(traces.length, traces.length === 1 ? 'trace' : 'traces');
    },
    wrong: refused,
  },
  grafana: {
    path: '/api/search?type=dash-db',
    read: (answer) => shown(z.array(z.unknown()).parse(answer).length, 'dashboards'),
    wrong: (status) =>
      status === 401
        ? 'its password was changed in Grafana; the file is only taken at its first start (ralph-fleet telemetry down --purge begins anew)'
        : refused(status),
  },
};

const targets = z.object({
  data: z.object({
    activeTargets: z.array(
      z.object({
        labels: z.record(z.string(), z.string()),
        health: z.string(),
        lastError: z.string(),
        lastScrape: z.string(),
      }),
    ),
  }),
});

export interface Scrape {
  health: 'up' | 'down' | 'unknown';
  at: string | null;
  error: string | null;
}

/** How Prometheus fares with the daemon's metrics; null when it does not answer. */
export async function askScrape(ports: Ports): Promise<Scrape | null> {
  const answer = await get(`${urlOf(ports.prometheus)}/api/v1/targets?state=active`);
  if (answer?.status !== 200) return null;
  try {
    const all = targets.parse(JSON.parse(answer.text)).data.activeTargets;
    const ours = all.find(({ labels }) => labels['job'] === 'ralph-fleet');
    if (ours === undefined) return null;
    const health = ours.health === 'up' || ours.health === 'down' ? ours.health : 'unknown';
    return { health, at: health === 'unknown' ? null : ours.lastScrape, error: ours.lastError || null };
  } catch {
    return null;
  }
}

/** Whether it is the daemon of that pid that serves its metrics there; `null`: it does not run. */
export async function servesMetrics(port: number, daemon: number | null): Promise<boolean> {
  if (daemon === null) return false;
  const answer = await get(`${urlOf(port)}/healthz`);
  return answer?.status === 200 && answer.text === `ralph-fleet ${daemon}\n`;
}
