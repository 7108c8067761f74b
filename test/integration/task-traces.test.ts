import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTraces, type Traces } from '../../src/daemon/traces.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { hmacSha256 } from '../../src/lib/digest.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { openDatabase } from '../../src/store/open.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { genAi, genAiConvention, ours } from '../../src/telemetry/traces/attributes.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../fixtures/otlp-receiver.ts';
import { createCliHome } from '../support/cli-home.ts';
import { until } from '../support/gateway-process.ts';
import { anIteration, aProject, aRun, aTask, base, config, head } from '../support/rows.ts';

/** The daemon's part of the traces over a real store, at a real receiver: a task's way, with a daemon and a receiver that come and go. */
const clock = createSystemClock();
let folder = '';
let receiver: OtlpReceiver;
let store: Store;
let traces: Traces;
let otlp: string | null;

function open(): void {
  store = createStore({ db: openDatabase(join(folder, 'fleet.db')), clock });
  traces = createTraces({
    ...{ store, clock, log: createSilentLog(), version: '1' },
    config: () => ({ ...config, telemetry: { loki: null, otlp } }),
    keyed: (text) => hmacSha256(Buffer.from('k'), text),
  });
  traces.start();
}

/** As a kill would: nothing more is written, and nothing waited for. */
function kill(): void {
  void traces.stop();
  store.close();
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rf-task-traces-'));
  receiver = await startOtlpReceiver();
  otlp = receiver.url;
  open();
  store.projects.insert(aProject());
  store.tasks.insert(aTask({ phase: 'implementing', base, head, createdAt: clock.now() }));
});
afterEach(async () => {
  await traces.stop();
  store.close();
  await receiver.close();
  rmSync(folder, { recursive: true, force: true });
});

const endIteration = (id: string) =>
  store.tx(() => {
    const now = clock.now();
    store.iterations.insert(anIteration({ id, phase: 'ended', outcome: 'done', startedAt: now - 50, endedAt: now }));
    store.events.add('iteration.ended', 'T1', 'x');
  });
const names = () => receiver.spans.map(({ name }) => name);
const isKnown = () => store.cursors.get('traces') === store.events.last();

describe('the spans of a task', () => {
  it('come as they end, and the whole is one tree', async () => {
    endIteration('it-1');
    await until('the iteration', () => names().includes('invoke_agent implementer'));
    const now = clock.now();
    store.tx(() => {
      store.checkRuns.insert(aRun({ id: 'ck-1', startedAt: now - 20, endedAt: now }));
      store.events.add('checks.passed', 'T1', 'x');
    });
    await until('its checks', () => names().includes('check'));
    expect(names()).not.toContain('task');
    for (const phase of ['verifying', 'awaiting_approval', 'integrating', 'merged'] as const)
      store.moveTask('T1', phase);
    await until('the task', () => names().includes('task'));
    expect(names().toSorted()).toEqual(
      ['approval', 'check', 'checks', 'integrate', 'invoke_agent implementer', 'task', 'verify'].toSorted(),
    );
    const ids = new Set(receiver.spans.map(({ spanId }) => spanId));
    expect(ids.size).toBe(7);
    expect(receiver.spans.filter(({ parentSpanId }) => !ids.has(parentSpanId ?? '')).map(({ name }) => name)).toEqual([
      'task',
    ]);
    expect(new Set(receiver.spans.map(({ traceId }) => traceId)).size).toBe(1);
    const iteration = receiver.spans.find(({ name }) => name.startsWith('invoke_agent'));
    expect(iteration).toMatchObject({ service: 'ralph-fleet', attributes: { [genAi.agentName]: 'implementer' } });
    // The grant names the very same span.
    expect(traces.of(store.tasks.mustGet('T1'), 'it-1')).toEqual({
      ...{ traceId: iteration?.traceId, spanId: iteration?.spanId, otlp },
      traceparent: `00-${iteration?.traceId}-${iteration?.spanId}-01`,
    });
    expect(receiver.strange).toEqual([]);
  });

  it('are not lost to a receiver that is away and a daemon that is killed meanwhile, and keep their ids', async () => {
    endIteration('it-1');
    await until('the first', () => names().length === 1 && isKnown());
    const [first] = receiver.spans;
    receiver.status = 503;
    endIteration('it-2');
    kill();
    open();
    endIteration('it-3');
    kill();
    open();
    receiver.status = 200;
    await until('all of them', () => new Set(receiver.spans.map((it) => it.attributes[ours.iteration])).size === 3);
    await until('the end', isKnown);
    for (const { attributes, spanId, traceId } of receiver.spans) {
      expect(traceId).toBe(first?.traceId);
      if (attributes[ours.iteration] === 'it-1') expect(spanId).toBe(first?.spanId);
    }
    expect(new Set(receiver.spans.map(({ spanId }) => spanId)).size).toBe(3);
  });

  it('are made of nothing while no receiver is configured, and of nothing of that time afterwards', async () => {
    otlp = null;
    traces.nudge();
    await until('it is off', () => store.cursors.get('traces') === null);
    expect(traces.of(store.tasks.mustGet('T1'), 'it-1')).toBeNull();
    endIteration('it-1');
    otlp = receiver.url;
    traces.nudge();
    await until('it is on', () => store.cursors.get('traces') !== null);
    await new Promise((resolve) => setImmediate(resolve));
    endIteration('it-2');
    await until('the second', () => names().length > 0);
    expect(receiver.spans.map(({ attributes }) => attributes[ours.iteration])).toEqual(['it-2']);
  });
});

it('the real daemon does so, and keeps what a shell says of other receivers to itself', async () => {
  const shellsOwn = 'key=of-another-receiver';
  await using home = await createCliHome({
    OTEL_EXPORTER_OTLP_HEADERS: shellsOwn,
    OTEL_RESOURCE_ATTRIBUTES: shellsOwn,
  });
  await mkdir(dirname(home.paths.fleetYaml), { recursive: true });
  await writeFile(home.paths.fleetYaml, `version: 1\nname: shop\ntelemetry: {otlp: {url: "${receiver.url}/"}}\n`);
  const shop = await home.repository('shop', { '.ralph/project.yaml': 'version: 1\nchecks: [{id: t, run: "true"}]\n' });
  expect(await home.cli('project', 'add', shop, '--yes')).toMatchObject({ code: 0 });
  expect(await home.cli('submit', 'mend README.md', '--project', 'shop')).toMatchObject({ code: 0 });
  const shown = (await home.cli('task', 'show', 'T1')).out;
  expect(await home.cli('task', 'cancel', 'T1', '--yes')).toMatchObject({ code: 0 });
  const task = await until('the task', () => receiver.spans.find(({ name }) => name === 'task'));
  expect(shown).toContain(`\nTrace      ${task.traceId}\n`);
  expect(names().toSorted()).toEqual(['task', 'wait']);
  expect(task).toMatchObject({
    attributes: { [ours.task]: 'T1', [ours.fleet]: 'shop', [ours.project]: 'shop', [ours.taskPhase]: 'cancelled' },
  });
  expect(JSON.stringify([receiver.bodies, receiver.headers])).not.toContain('of-another-receiver');
  expect(receiver.strange).toEqual([]);
});

const sources = () => readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

it('nothing of OpenTelemetry is loaded by who does not send', () => {
  const loading = /^import (?!type )[^;]*'@opentelemetry\//m;
  expect(loading.test("import { a } from '@opentelemetry/api';")).toBe(true);
  expect(sources().filter((name) => loading.test(readFileSync(join('src', name), 'utf8')))).toEqual([]);
});

it('names of the convention stand in one file', () => {
  const files = sources();
  expect(files).toContain('telemetry/traces/attributes.ts');
  const naming = files.filter((name) => /gen_ai\.|['"`]ralph_fleet\./.test(readFileSync(join('src', name), 'utf8')));
  expect(naming.filter((name) => !name.endsWith('.test.ts'))).toEqual(['telemetry/traces/attributes.ts']);
  // Whoever reads the page can look up which names these were.
  expect(readFileSync('docs/traces.md', 'utf8')).toContain(genAiConvention.commit);
});
