import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanLine } from '../lib/clean-text.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import { acquireLock } from '../lib/lock.ts';
import { forgetEndpoints, writeEndpoints } from './endpoints.ts';
import { isReady, waitReady } from './health.ts';
import { planService } from './plan.ts';
import { choosePorts, type IsFree } from './ports.ts';
import { ask, askScrape, type Found, type Scrape } from './questions.ts';
import { renderService, writeRendered } from './render.ts';
import type { Look, Runner } from './runner.ts';
import {
  loopback,
  type PortName,
  type Ports,
  type ServiceName,
  serviceNames,
  services,
  urlOf,
  usualPorts,
} from './services.ts';
import { ensurePassword, makeRoot, readState, type StackFolders, type StackState, writeState } from './state.ts';

/**
 * `telemetry up | status | down`: one pass over the services each, that may be cut off anywhere and run again. What is to be
 * (ports, mode) is stored before anything is started; what is found running as it should be is left alone.
 */
export interface StackDeps {
  folders: StackFolders;
  clock: Clock;
  signal: AbortSignal;
  runner: Runner;
  isFree: IsFree;
  /** host:port where fleet.yaml wants the daemon's metrics; null: a free port is chosen. */
  metricsListen: string | null;
  /** Whether this fleet's daemon is who listens on that port. */
  isMetrics: (port: number) => Promise<boolean>;
}

export interface Say {
  /** A line that stays. */
  done(text: string, ms?: number): void;
  warn(text: string): void;
  moving(text: string): void;
}

export interface UpResult {
  mode: Runner['mode'];
  ran: { name: ServiceName; url: string; how: 'left' | 'started' | 'replaced'; found: Found }[];
  missing: Runner['missing'];
  grafana: { url: string; user: string; passwordFile: string } | null;
}

export async function stackUp(deps: StackDeps, say: Say): Promise<UpResult> {
  const { folders, runner } = deps;
  const wanted = serviceNames.filter((name) => !runner.missing.some((one) => one.name === name));
  refuseNothing(runner, wanted);
  await makeRoot(folders);
  const lock = await acquireLock(folders.lock, 'telemetry stack');
  try {
    const state = await readState(folders);
    refuseOtherMode(state, runner);
    await ensurePassword(folders);
    const ports = await settlePorts(deps, state, wanted, say);
    await fetchAll(deps, wanted, say);
    const metricsListen = deps.metricsListen ?? `${loopback}:${ports.metrics}`;
    const how = await startAll(deps, wanted, { ports, metricsListen }, say);
    await Promise.all(wanted.map((name) => becomeReady(name, ports, deps, how, say)));
    const password = await readFile(folders.password, 'utf8');
    const ran = await Promise.all(
      wanted.map(async (name) => ({
        name,
        url: urlOf(ports[name]),
        how: how.get(name) ?? 'left',
        found: await ask(name, ports, password),
      })),
    );
    const has = (name: ServiceName) => (wanted.includes(name) ? { url: urlOf(ports[name]) } : null);
    await writeEndpoints(folders.endpoints, {
      version: 1,
      metrics: { listen: metricsListen },
      prometheus: has('prometheus'),
      loki: has('loki'),
      otlp: wanted.includes('tempo') ? { url: urlOf(ports.otlp) } : null,
      tempo: has('tempo'),
      grafana: has('grafana'),
    });
    const grafana = wanted.includes('grafana')
      ? { url: `${urlOf(ports.grafana)}/d/rf-fleet`, user: 'admin', passwordFile: folders.password }
      : null;
    return { mode: runner.mode, ran, missing: runner.missing, grafana };
  } finally {
    await lock.release();
  }
}

function refuseNothing({ missing }: Runner, wanted: readonly ServiceName[]): void {
  if (wanted.length > 0) return;
  throw new FleetError(
    'command_missing',
    'None of Prometheus, Loki, Tempo and Grafana is on the PATH or among our tools.',
    {
      remedy: missing.map(({ name, remedy }) => `${services[name].title}: ${remedy}`).join('\n  '),
    },
  );
}

function refuseOtherMode(state: StackState, runner: Runner): void {
  if (state.mode === null || state.mode === runner.mode) return;
  const as = { containers: 'as containers', native: 'as native processes' };
  throw new FleetError('refused', `The stack was started ${as[state.mode]}; it cannot also run ${as[runner.mode]}.`, {
    remedy: 'ralph-fleet telemetry down   (its data stays where it is), then  ralph-fleet telemetry up  as you want it',
  });
}

/** Stored before anything is started, so that whoever comes next looks at the same ports. */
async function settlePorts(
  deps: StackDeps,
  state: StackState,
  wanted: readonly ServiceName[],
  say: Say,
): Promise<Ports> {
  const held = new Set<PortName>();
  for (const name of wanted)
    if ((await deps.runner.look(name)).state === 'running') for (const port of services[name].ports) held.add(port);
  const ofDaemon = state.ports.metrics ?? usualPorts.metrics;
  if (await deps.isMetrics(ofDaemon)) held.add('metrics');
  const needed = new Set<PortName>(wanted.flatMap((name) => deps.runner.published(name)));
  if (deps.metricsListen === null) needed.add('metrics');
  const isFree: IsFree = (port) => deps.isFree(port);
  const { ports, moved } = await choosePorts({ ...state.ports, metrics: ofDaemon }, held, isFree);
  for (const { name, from, to } of moved)
    if (needed.has(name)) say.warn(`Port ${from} is taken; ${titleOf(name)} has ${to}, also from now on.`);
  await writeState(deps.folders, { ...state, mode: deps.runner.mode, ports });
  return ports;
}

function titleOf(name: PortName): string {
  return name === 'metrics' ? 'what the daemon tells Prometheus' : name;
}

async function fetchAll({ runner, clock }: StackDeps, wanted: readonly ServiceName[], say: Say): Promise<void> {
  for (const name of wanted) {
    const began = clock.now();
    let fetched = false;
    await runner.fetch(name, (line) => {
      fetched = true;
      say.moving(line);
    });
    if (fetched) say.done(`${services[name].title}: fetched`, clock.now() - began);
  }
}

async function startAll(
  { folders, runner, signal }: StackDeps,
  wanted: readonly ServiceName[],
  { ports, metricsListen }: { ports: Ports; metricsListen: string },
  say: Say,
): Promise<Map<ServiceName, 'left' | 'started' | 'replaced'>> {
  const addresses = runner.addresses(ports, metricsListen);
  const how = new Map<ServiceName, 'left' | 'started' | 'replaced'>();
  for (const name of wanted) {
    signal.throwIfAborted();
    const places = runner.places(name);
    const rendered = await renderService(name, addresses, places);
    await writeRendered(join(folders.config, name), rendered);
    const plan = planService(name, { addresses, places, rendered, passwordFile: runner.passwordFile });
    const before = await runner.look(name);
    if (before.state === 'ended') say.warn(await sayEnded(name, runner));
    how.set(name, await runner.ensure(plan, ports));
  }
  return how;
}

/** Nobody ended it with `telemetry down`: a crash, a lack of memory, a restart of the machine. */
async function sayEnded(name: ServiceName, runner: Runner): Promise<string> {
  const last = (await runner.lastLines(name).catch(() => [])).at(-1) ?? '';
  const said = last === '' ? '' : ` Its last words: ${cleanLine(last, 200)}`;
  return `${services[name].title} had ended and is started again.${said}`;
}

async function becomeReady(
  name: ServiceName,
  ports: Ports,
  deps: StackDeps,
  how: ReadonlyMap<ServiceName, string>,
  say: Say,
): Promise<void> {
  const began = deps.clock.now();
  say.moving(`${services[name].title} gets ready`);
  await waitReady(name, ports, deps);
  const left = how.get(name) === 'left' ? 'ready, as it was' : 'ready';
  say.done(`${services[name].title}: ${left}, ${urlOf(ports[name])}`, deps.clock.now() - began);
}

export interface ServiceStatus extends Look {
  name: ServiceName;
  url: string | null;
  ready: boolean;
  found: Found | null;
  /** What its data takes on the disk; null where that is not known. */
  dataBytes: number | null;
}

export interface StackStatus {
  mode: StackState['mode'];
  title: string | null;
  services: ServiceStatus[];
  missing: Runner['missing'];
  scrape: Scrape | null;
  /** All that can run here runs and is ready. */
  ok: boolean;
}

/** `runner` is null where the stack was never started, or was ended. */
export async function stackStatus(folders: StackFolders, runner: Runner | null): Promise<StackStatus> {
  const state = await readState(folders);
  if (runner === null) return { mode: state.mode, title: null, services: [], missing: [], scrape: null, ok: false };
  const password = await readFile(folders.password, 'utf8').catch(() => '');
  const wanted = serviceNames.filter((name) => !runner.missing.some((one) => one.name === name));
  const ports = state.ports as Ports;
  const [sizes, ...found] = await Promise.all([
    runner.dataBytes(),
    ...wanted.map((name) => statusOf(name, runner, ports, password)),
  ]);
  const all = found.map((one) => ({ ...one, dataBytes: sizes[one.name] ?? null }));
  const scrape = all.some(({ name, ready }) => name === 'prometheus' && ready) ? await askScrape(ports) : null;
  return {
    mode: state.mode,
    title: runner.title,
    services: all,
    missing: runner.missing,
    scrape,
    ok: all.every(({ ready }) => ready),
  };
}

async function statusOf(
  name: ServiceName,
  runner: Runner,
  ports: Partial<Ports>,
  password: string,
): Promise<Omit<ServiceStatus, 'dataBytes'>> {
  const look = await runner.look(name);
  const port = ports[services[name].ports[0]];
  if (look.state !== 'running' || port === undefined) return { name, ...look, url: null, ready: false, found: null };
  const ready = await isReady(name, ports as Ports);
  return { name, ...look, url: urlOf(port), ready, found: ready ? await ask(name, ports as Ports, password) : null };
}

/** Ends what runs; the data stays, and with `purge` goes too. Resolves with what was ended. */
export async function stackDown(
  { folders, runner }: Pick<StackDeps, 'folders' | 'runner'>,
  purge: boolean,
): Promise<{ ended: ServiceName[] }> {
  await makeRoot(folders);
  const lock = await acquireLock(folders.lock, 'telemetry stack');
  try {
    // First: the daemon stops sending to what goes away.
    await forgetEndpoints(folders.endpoints);
    const ended: ServiceName[] = [];
    // Grafana first, what it asks last.
    for (const name of serviceNames.toReversed()) if (await runner.remove(name)) ended.push(name);
    await runner.removeShared();
    if (purge) {
      await runner.purge();
      for (const path of [folders.config, folders.logs, folders.password, folders.data, folders.state])
        await rm(path, { recursive: true, force: true });
    } else {
      await rm(folders.config, { recursive: true, force: true });
      await writeState(folders, { ...(await readState(folders)), mode: null });
    }
    return { ended };
  } finally {
    await lock.release();
  }
}
