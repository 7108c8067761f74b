import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { FleetConfig } from '../domain/fleet.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { formatError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { LiveProblem } from '../queries/deps.ts';
import type { LogFigures } from '../telemetry/logs/figures.ts';
import type { LogSource } from '../telemetry/logs/source.ts';

/** What the thread is given when it starts. */
export interface RelaySettings {
  url: string;
  fleet: string;
  cursorFile: string;
  /** Hidden wherever they stand in a line. */
  secrets: readonly string[];
  /** How often it tells how it gets on. */
  figuresMs: number;
}

export type ToRelay = { sources: readonly LogSource[] } | { end: true };
export type FromRelay =
  | { figures: LogFigures }
  | { say: { level: 'info' | 'warn'; fields: Record<string, unknown>; msg: string } };

export interface LogRelay {
  /** Starts, moves or ends it, as fleet.yaml says. */
  take(config: Pick<FleetConfig, 'name' | 'telemetry'>): Promise<void>;
  /** Null while no logs are shipped. */
  figures(): LogFigures | null;
  problems(): LiveProblem[];
  close(): Promise<void>;
}

export interface LogRelayDeps {
  cursorFile: string;
  /** What there is to ship; `all`: what ended while no relay ran too. */
  sources: (all: boolean) => LogSource[];
  secrets: () => string[];
  clock: Clock;
  log: Log;
  /** How often figures are taken; default: each second. */
  figuresMs?: number;
}

const offerMs = 1000;
const endMs = 2000;
/** A thread that dies is started again; it may take no more than this, whatever comes. */
const resourceLimits = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16 };
const lastRestartMs = 60_000;

/** Ships the logs to Loki in a thread of its own (`telemetry/logs/relay.ts`), and keeps that thread alive. */
export function createLogRelay(deps: LogRelayDeps): LogRelay {
  const { clock, log } = deps;
  let running: { url: string; fleet: string; stop(): Promise<void> } | null = null;
  let figures: LogFigures | null = null;

  /** One life of the thread: until it is told to end, or dies. */
  async function live(settings: Pick<RelaySettings, 'url' | 'fleet'>, signal: AbortSignal): Promise<void> {
    const { cursorFile, figuresMs = 1000 } = deps;
    const workerData: RelaySettings = { ...settings, cursorFile, figuresMs, secrets: deps.secrets() };
    const worker = new Worker(entry(), { workerData, env: {}, execArgv, resourceLimits });
    const post = (message: ToRelay) => worker.postMessage(message);
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.on('error', (error) => log.warn({ err: formatError(error) }, 'the relay of the logs died; it starts again'));
    worker.on('message', (message: FromRelay) => {
      if ('figures' in message) figures = message.figures;
      else log[message.say.level](message.say.fields, message.say.msg);
    });
    worker.unref();
    const over = new AbortController();
    void exited.then(() => over.abort());
    let offered = '';
    const offer = (all: boolean) => {
      const sources = deps.sources(all);
      const now = JSON.stringify(sources);
      if (now !== offered) post({ sources });
      offered = now;
    };
    offer(true);
    const either = AbortSignal.any([signal, over.signal]);
    while (!either.aborted) {
      await clock.sleep(offerMs, either).catch(() => {});
      if (!either.aborted) offer(false);
    }
    if (over.signal.aborted) return;
    post({ end: true });
    await Promise.race([exited, clock.sleep(endMs).then(() => worker.terminate())]);
  }

  function start(url: string, fleet: string): void {
    const end = new AbortController();
    const keep = async () => {
      for (let attempt = 1; !end.signal.aborted; attempt++) {
        await live({ url, fleet }, end.signal).catch((err: unknown) =>
          log.warn({ err: formatError(err) }, 'the relay of the logs cannot be started'),
        );
        await clock.sleep(backoffMs(attempt, offerMs, lastRestartMs), end.signal).catch(() => {});
      }
    };
    const kept = keep();
    const stop = async () => {
      end.abort();
      await kept;
    };
    running = { url, fleet, stop };
  }

  async function stop(): Promise<void> {
    const before = running;
    running = null;
    await before?.stop();
    figures = null;
  }

  return {
    async take({ name, telemetry }) {
      if (running?.url === telemetry.loki && running?.fleet === name) return;
      await stop();
      if (telemetry.loki !== null) start(telemetry.loki, name);
    },
    figures: () => figures,
    problems: () => problemsOf(figures, clock.now()),
    close: stop,
  };
}

/** An outage this short mends itself before anybody could look. */
const patienceMs = 60_000;

function problemsOf(figures: LogFigures | null, now: number): LiveProblem[] {
  if (figures?.state !== 'waiting' || now - figures.since < patienceMs) return [];
  const what = `Loki takes no logs, they stay in their files: ${figures.why ?? 'no answer'}`;
  const remedy = 'is Loki running, and telemetry.loki.url of fleet.yaml its address?';
  return [{ id: 'logs', what, since: figures.since, remedy, vm: null, severity: 'warning' }];
}

const execArgv = ['--disable-warning=ExperimentalWarning'];

function entry(): string {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`./log-relay-worker.${ending}`, import.meta.url));
}
