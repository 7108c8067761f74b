import { appendFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { logSources } from '../../src/daemon/log-sources.ts';
import { createLog } from '../../src/lib/log.ts';
import { openRotatingFile } from '../../src/lib/rotating-file.ts';
import { plan } from '../../src/reconcile/plan/plan.ts';
import type { Store } from '../../src/store/store.ts';
import type { LogSource } from '../../src/telemetry/logs/source.ts';
import { sendJson } from '../fixtures/provider.ts';
import { simulate } from '../simulation/simulate.ts';
import { statePaths, until } from './gateway-process.ts';
import { openGatewayScene } from './gateway-scene.ts';

/**
 * The log files of a fleet that has done its work, as a daemon offers them to the relay: its controller's own lines (a simulation, one
 * of whose passes breaks), those of a real gateway, streams of the simulated iterations with what Claude Code prints, consoles of their VMs.
 */
export interface LoggedFleet extends AsyncDisposable {
  folder: string;
  sources: LogSource[];
  /** Of an iteration, and its task. */
  ralph: string;
  task: string;
  trace: string;
}

export async function createLoggedFleet(): Promise<LoggedFleet> {
  const folder = await mkdtemp(join(tmpdir(), 'rf-logged-'));
  const paths = statePaths(folder);
  await mkdir(dirname(paths.daemonLog), { recursive: true });
  const seen = new Map<string, LogSource>();
  const trace = 'ab'.repeat(16);
  const look = (store: Store) => {
    const driver = { name: 'libvirt', consoleFile: (vm: string) => join(folder, `console-${vm}`) } as const;
    const deps = { paths, store, driver, clock: { now: () => 0 }, traceOf: () => trace };
    for (const source of logSources(deps, false)) seen.set(source.key, source);
  };
  await work(paths.daemonLog, look);
  const sources = [...seen.values()].map(ended);
  for (const { kind, path, ids } of sources) {
    if (kind === 'iteration') await write(path, await agentLines());
    if (kind === 'console') await write(path, [`Booting ${ids['vm']}`, 'ralph login: ']);
  }
  const one = sources.find(({ kind }) => kind === 'iteration')?.ids;
  const { ralph, task } = one ?? {};
  if (ralph === undefined || task === undefined) throw new Error('the simulated fleet has begun no iteration');
  await callModels(paths.gatewayLog, { task, ralph }, trace);
  return { folder, sources, ralph, task, trace, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

/** What is simulated stands in a time of its own. */
const ended = (source: LogSource): LogSource => (source.endedAt === null ? source : { ...source, endedAt: Date.now() });

async function work(daemonLog: string, look: (store: Store) => void): Promise<void> {
  const log = createLog({ destination: openRotatingFile(daemonLog, { maxBytes: 16 * 1024 ** 2, copies: 4 }) });
  let passes = 0;
  const { violations } = await simulate(3, {
    planner: (world) => {
      if (passes++ === 20) throw new Error('this pass breaks');
      return plan(world);
    },
    measure: {
      log,
      begin: (store) => {
        store.iterations.onWrite(() => look(store));
        store.vms.onWrite(() => look(store));
      },
      end() {},
    },
  });
  if (violations.length > 0) throw new Error(violations[0]);
}

const printed = [
  'system-init',
  'assistant-text-block',
  'assistant-tool-use-block',
  'user-tool-result-ok-bash',
  'result-success',
];

async function agentLines(): Promise<string[]> {
  const files = printed.map((name) => join(import.meta.dirname, `../fixtures/claude/${name}.jsonl`));
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return texts.flatMap((text) => text.trimEnd().split('\n'));
}

/** One call that is answered, and one that is refused: both of the real gateway's log. */
async function callModels(gatewayLog: string, who: { task: string; ralph: string }, traceId: string): Promise<void> {
  const scene = await openGatewayScene();
  try {
    const usage = { input_tokens: 100, output_tokens: 7 };
    scene.provider.answer = (res) => sendJson(res, { model: 'claude-sonnet-4-6', content: [], usage });
    const trace = { traceId, spanId: 'cd'.repeat(8), otlp: 'http://127.0.0.1:9' };
    const token = await scene.grant(who.task, { ralph: who.ralph, trace });
    const body = { model: 'claude-sonnet-4-6', max_tokens: 10, messages: [{ role: 'user', content: 'hi' }] };
    for (const held of [token, 'rft_00000000000000000000000000000000'])
      await (await scene.post(held, '/v1/messages', body)).body.dump();
    const lines = () => scene.gateway.output().trimEnd().split('\n');
    await until('both are logged', () =>
      ['call settled', 'request refused'].every((msg) => lines().some((line) => line.includes(msg))),
    );
    await write(gatewayLog, lines());
  } finally {
    await scene.close();
  }
}

async function write(path: string, lines: readonly string[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await appendFile(path, lines.map((line) => `${line}\n`).join(''));
}
