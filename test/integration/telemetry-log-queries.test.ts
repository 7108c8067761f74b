import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createSilentLog, redact } from '../../src/lib/log.ts';
import { createLoki } from '../../src/telemetry/logs/loki.ts';
import { createRelay } from '../../src/telemetry/logs/relay.ts';
import { until } from '../support/gateway-process.ts';
import { createLoggedFleet, type LoggedFleet } from '../support/logged-fleet.ts';
import { lokiProgram, type RealLoki, startRealLoki, withoutLoki } from '../support/real-loki.ts';

// Every LogQL query of every dashboard, of the links between traces and logs and of the documentation, asked of a real Loki to which our
// relay has shipped the logs of a fleet that has done its work.
if (lokiProgram === null) console.log(`tests with a real Loki are left out: ${withoutLoki}`);

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFile(resolve(root, path), 'utf8');

/** Why a query comes back empty here; one that stands here and is not empty is an error too. */
const emptyBecause: Record<string, string> = {};

describe.skipIf(lokiProgram === null)('with the logs of a fleet in a real Loki', () => {
  let fleet: LoggedFleet;
  let loki: RealLoki;
  const end = new AbortController();
  let ran: Promise<void>;

  beforeAll(async () => {
    [fleet, loki] = await Promise.all([createLoggedFleet(), startRealLoki()]);
    const relay = createRelay({
      ...{ fleet: 'main', hide: redact, clock: createSystemClock(), cursorFile: join(fleet.folder, 'cursor.json') },
      loki: createLoki({ url: loki.url, deadlineMs: 30_000 }),
      log: createSilentLog(),
      sources: () => fleet.sources,
    });
    ran = relay.run(end.signal);
    const shipped = () => {
      const figures = relay.figures();
      return figures?.backlogBytes === 0 && (figures.shippedLines['iteration'] ?? 0) > 0 ? figures : null;
    };
    const { droppedLines } = await until('all is shipped', shipped, 120_000);
    expect(droppedLines).toEqual({ cap: 0, too_old: 0, rejected: 0 });
  });
  afterAll(async () => {
    end.abort();
    await ran;
    await loki?.close();
    await fleet?.[Symbol.asyncDispose]();
  });

  /** What Grafana puts in. */
  const filled = (expr: string): string =>
    expr
      .replaceAll('$ralph', fleet.ralph)
      .replaceAll('$task', fleet.task)
      .replaceAll('$${__trace.traceId}', fleet.trace);

  async function emptyOf(queries: readonly { name: string; expr: string }[]): Promise<string[]> {
    const empty: string[] = [];
    for (const { name, expr } of queries) {
      const found = await loki.count(filled(expr)).catch((error: Error) => {
        throw new Error(`${name}: ${expr}: ${error.message}`);
      });
      if (found === 0) empty.push(name);
    }
    return empty;
  }

  it('every query of every panel and annotation returns lines, or is listed with the reason', async () => {
    const all: { dashboard: string; panel: string; source: string; expr: string }[] = JSON.parse(
      await read('telemetry/queries.json'),
    );
    const queries = all
      .filter(({ source }) => source === 'loki')
      .map(({ dashboard, panel, expr }) => ({ name: `${dashboard}, ${panel}`, expr }));
    expect(queries.length).toBeGreaterThan(6);
    expect(await emptyOf(queries)).toEqual(Object.keys(emptyBecause));
  });

  it('each line of each file is there, also where guests print the same at the same moment', async () => {
    const written = new Map<string, number>();
    for (const { kind, path } of fleet.sources) {
      const lines = (await readFile(path, 'utf8')).trimEnd().split('\n').length;
      written.set(kind, (written.get(kind) ?? 0) + lines);
    }
    expect([...written.keys()].toSorted()).toEqual(['console', 'daemon', 'gateway', 'iteration']);
    for (const [kind, lines] of written)
      expect(await loki.lines(`{service_name="ralph-fleet",stream="${kind}"}`)).toHaveLength(lines);
  });

  it('a trace leads to its lines, and a line to its trace', async () => {
    const file = await read('telemetry/grafana/provisioning/datasources/ralph-fleet.yaml');
    const { datasources }: { datasources: DataSource[] } = parse(file);
    const expr = datasources.find(({ type }) => type === 'tempo')?.jsonData.tracesToLogsV2?.query ?? '';
    expect(await emptyOf([{ name: 'of the trace', expr }])).toEqual([]);
    const [field] = datasources.find(({ type }) => type === 'loki')?.jsonData.derivedFields ?? [];
    // Grafana looks for a label, or a key of the structured metadata, whose name is this.
    for (const stream of ['iteration', 'gateway']) {
      const found = `{service_name="ralph-fleet", stream="${stream}"} | ${field?.matcherRegex}="${fleet.trace}"`;
      expect(await emptyOf([{ name: stream, expr: found }])).toEqual([]);
    }
  });

  it('the queries of docs/logs.md return lines', async () => {
    const shown = (await read('docs/logs.md')).matchAll(/^ {4}(\{service_name=.*)$/gm);
    const queries = [...shown].map(([, expr = '']) => ({ name: expr, expr: expr.replaceAll('"T7"', '"$task"') }));
    expect(queries.length).toBeGreaterThan(2);
    expect(await emptyOf(queries)).toEqual([]);
  });
});

interface DataSource {
  type: string;
  jsonData: { tracesToLogsV2?: { query: string }; derivedFields?: { matcherRegex: string }[] };
}
