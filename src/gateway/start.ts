import type { Duplex } from 'node:stream';
import { Agent } from 'undici';
import { isSafeUpstream } from '../domain/upstream.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import { acquireLock, type Lock } from '../lib/lock.ts';
import type { Log } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';
import { createSystemRandom } from '../lib/random.ts';
import { resourcePath } from '../lib/resources.ts';
import { createMeters } from '../telemetry/meters.ts';
import { isGatewaysOwn } from '../telemetry/metrics.ts';
import type { Api } from './apis.ts';
import { createGate } from './budget/gate.ts';
import { type Control, listenControl } from './control.ts';
import type { Credential } from './credentials/credential.ts';
import { askForPlace } from './hand-over/ask.ts';
import { type Carrying, listenForCarried } from './hand-over/carry.ts';
import { createDeparture, type Departure } from './hand-over/departure.ts';
import { findPredecessors, type Predecessors } from './hand-over/predecessors.ts';
import type { AtStep } from './hand-over/steps.ts';
import { openLedger } from './ledger/ledger.ts';
import { createLimits } from './limits/limits.ts';
import { createIterationMcp } from './mcp/iteration-mcp.ts';
import { createPriceList, type PriceList } from './meter/price-file.ts';
import { createProxy } from './proxy.ts';
import { createRegistryMirror } from './registry-mirror.ts';
import { createIntake } from './traces/intake.ts';
import { createTraces } from './traces/traces.ts';
import { createTunnels } from './tunnels.ts';

export interface GatewayOptions {
  paths: Paths;
  log: Log;
  clock: Clock;
  credentials: Readonly<Record<Api['provider'], Credential>>;
  /** Base URL of each model API. */
  upstream: Readonly<Record<Api['provider'], string>>;
  guestSocket: string;
  /** Where days and months begin. */
  timeZone: string;
  bootId: string;
  /** Version of the program. */
  program: string;
  /** Takes the place of the gateway that runs, if one does. */
  takeOver: boolean;
  /** Takes the user's credentials out of a text. */
  hide: (text: string) => string;
  atStep: AtStep;
}

export interface Gateway {
  /** Resolves when another gateway has its place and all it had begun is over. */
  left: Promise<void>;
  /** Open streams get until the deadline to end by themselves. */
  close(drainMs: number): Promise<void>;
}

export const defaultUpstream = { anthropic: 'https://api.anthropic.com', openai: 'https://api.openai.com' };
export const defaultGuestSocket = '/run/ralph/gateway.sock';

/** A non-streaming answer may be this long in the making. */
const patienceMs = 15 * 60_000;
/** How long one that left waits for a gateway to take its last settlements: as the daemon may be away; when it is told to end. */
const unsettledMs = 10 * 60_000;
const endMs = 5_000;
/** How long a gateway that ends tries to get rid of its last spans. */
const lastSpansMs = 2_000;

/** Everything of the gateway, put together; only one at a time has the books of a state folder. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { paths, log, clock, atStep } = options;
  const urls = { anthropic: checkUpstream(options.upstream.anthropic), openai: checkUpstream(options.upstream.openai) };
  const prices = createPriceList({ builtIn: resourcePath('prices/prices.json'), own: paths.prices, clock, log });
  await prices.current();
  const lock = options.takeOver ? await askForPlace(options) : await acquireLock(paths.gatewayLock, 'gateway');
  atStep('next:locked');
  try {
    const predecessors = await findPredecessors({ folder: paths.runtime, clock, log, atStep });
    atStep('next:called');
    return await open(options, { urls, prices, lock, predecessors });
  } catch (error) {
    await lock.release();
    throw error;
  }
}

interface Ready {
  urls: Readonly<Record<Api['provider'], string>>;
  prices: PriceList;
  lock: Lock;
  predecessors: Predecessors;
}

async function open(options: GatewayOptions, { urls, prices, lock, predecessors }: Ready): Promise<Gateway> {
  const { paths, log, clock, credentials, atStep, program } = options;
  const { timeZone, bootId } = options;
  const ledger = openLedger(paths.gasDb, {
    now: clock.now,
    timeZone,
    bootId,
    after: clock.after,
    elsewhere: predecessors.calls(),
  });
  atStep('next:books');
  const gate = createGate({ ledger, clock });
  const dispatcher = new Agent({ allowH2: false, headersTimeout: patienceMs, bodyTimeout: patienceMs });
  const mirror = createRegistryMirror({ clock, log });
  const upstream = { urls, dispatcher };
  let departure: Departure | null = null;
  let isAsked = false;
  const settle: Parameters<typeof createProxy>[0]['settle'] = (reservation, end, counted) =>
    departure === null ? ledger.settle(reservation, end, counted) : departure.settle(reservation, end, counted);
  const rows = { ...ledger.limits, put: unlessLeft(ledger.limits.put), drop: unlessLeft(ledger.limits.drop) };
  const limits = createLimits({ rows, clock, log, random: createSystemRandom() });
  const traces = createTraces({ clock, log, version: program, hide: options.hide });
  const intake = createIntake({ ledger, traces, clock, log });
  const mcp = createIterationMcp({ ledger, traces, clock, log });
  const books = { ledger, gate, limits, settle };
  const meters = createMeters({ only: isGatewaysOwn, withProcess: false, onError: () => {} });
  const proxy = createProxy({
    ...{ ...books, traces, intake, clock, log, meters },
    ...{ credentials, prices, mirror, mcp, upstream },
  });
  predecessors.begin(ledger, gate.changed);
  const accept = (vm: string, stream: Duplex) =>
    departure === null ? proxy.accept(vm, stream) : departure.carry(vm, stream);
  const { guestSocket } = options;
  const { untilReleased } = predecessors;
  const tunnels = createTunnels({ clock, log, guestSocket, accept, untilReleased });
  await Promise.all(predecessors.mirrors().map(({ vm, mirror: it }) => mirror.put(vm, it)));
  const carrying = await listenForCarried(paths.gatewayCarrySocket, (vm, stream) =>
    proxy.accept(vm, stream, 'one request'),
  );
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const control = await listenControl(
    {
      ...{ ledger, gate, limits, tunnels, proxy, mirror, traces, credentials, predecessors, meters },
      ...{ program, handOver, clock, log },
    },
    paths.gatewaySocket,
  );
  for (const { vm, tunnel } of ledger.tunnels()) tunnels.put(vm, tunnel);
  const { asOf } = await prices.current();
  log.info({ socket: paths.gatewaySocket, upstream: urls, prices: asOf, program }, 'gateway is ready');
  atStep('next:ready');

  /** What a call of a gateway that left learns of limits, the next one learns by its own. */
  function unlessLeft<T>(write: (row: T) => void): (row: T) => void {
    return (row) => {
      if (departure === null) write(row);
    };
  }

  /** What may fail comes first: until the departure stands nothing has changed. */
  async function handOver(): Promise<void> {
    if (isAsked) throw new FleetError('refused', 'This gateway hands over to another already.');
    isAsked = true;
    const deps = { paths, clock, log, endCalls: proxy.endCalls, drop: tunnels.delete };
    const it = await createDeparture(deps).catch((error: unknown) => {
      isAsked = false;
      throw error;
    });
    atStep('leaving:listens');
    departure = it;
    const [theirCalls, theirVms] = [new Set(predecessors.calls()), new Set(predecessors.vms())];
    it.begin({
      calls: ledger.open().filter((id) => !theirCalls.has(id)),
      vms: tunnels.states().flatMap(({ vm }) => (theirVms.has(vm) ? [] : [vm])),
      mirrors: mirror.list(),
    });
    predecessors.close();
    proxy.leave(it.passOn);
    gate.leave(new Error('handed over'));
    closeBooks();
    atStep('leaving:books');
    await free({ carrying, control, lock });
    atStep('leaving:free');
    leave(depart(it));
  }

  function closeBooks(): void {
    try {
      ledger.close();
    } catch (error) {
      log.error({ err: String(error) }, 'the books were not closed cleanly');
    }
  }

  /** What was begun goes on to its end. */
  async function depart(it: Departure): Promise<void> {
    log.info({ openStreams: proxy.openStreams() }, 'gateway has handed over');
    await tunnels.release((vm) => {
      it.released(vm);
      atStep('leaving:released');
    });
    await it.settled(unsettledMs);
    await it.close();
    await Promise.all([control.close(), dispatcher.destroy(), mirror.close(), traces.close(lastSpansMs)]);
    log.info('gateway that handed over ends');
  }

  return {
    left,
    close: async (drainMs) => {
      tunnels.stopAccepting();
      await proxy.drain(drainMs);
      await tunnels.close();
      await control.close();
      await Promise.all([dispatcher.destroy(), mirror.close(), traces.close(lastSpansMs)]);
      if (departure !== null) {
        await departure.settled(endMs);
        return departure.close();
      }
      predecessors.close();
      await carrying.close();
      ledger.close();
      await lock.release();
    },
  };
}

/** The next one makes the same files anew: ours must be gone before it may. */
async function free({ carrying, control, lock }: { carrying: Carrying; control: Control; lock: Lock }): Promise<void> {
  await carrying.close();
  control.stopListening();
  await lock.release();
}

function checkUpstream(text: string): string {
  if (!isSafeUpstream(text)) {
    throw new FleetError('usage', 'The model API must be an `https:` address, or `http:` on this machine.', {
      remedy: `Leave it out for \`${defaultUpstream.anthropic}\` and \`${defaultUpstream.openai}\`.`,
    });
  }
  const url = new URL(text);
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}
