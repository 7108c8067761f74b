import { Agent } from 'undici';
import { isSafeUpstream } from '../domain/upstream.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import { acquireLock } from '../lib/lock.ts';
import type { Log } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';
import { createSystemRandom } from '../lib/random.ts';
import { resourcePath } from '../lib/resources.ts';
import type { Api } from './apis.ts';
import { createGate } from './budget/gate.ts';
import { listenControl } from './control.ts';
import type { Credential } from './credentials/credential.ts';
import { openLedger } from './ledger/ledger.ts';
import { createLimits } from './limits/limits.ts';
import { createIterationMcp } from './mcp/iteration-mcp.ts';
import { createPriceList } from './meter/price-file.ts';
import { createProxy } from './proxy.ts';
import { createRegistryMirror } from './registry-mirror.ts';
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
}

export interface Gateway {
  /** Open streams get until the deadline to end by themselves. */
  close(drainMs: number): Promise<void>;
}

export const defaultUpstream = { anthropic: 'https://api.anthropic.com', openai: 'https://api.openai.com' };
export const defaultGuestSocket = '/run/ralph/gateway.sock';

/** A non-streaming answer may be this long in the making. */
const patienceMs = 15 * 60_000;

/** Everything of the gateway, put together; only one may run per state folder. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { paths, log, clock, credentials } = options;
  const urls = { anthropic: checkUpstream(options.upstream.anthropic), openai: checkUpstream(options.upstream.openai) };
  const lock = await acquireLock(paths.gatewayLock, 'gateway');
  try {
    const ledger = openLedger(paths.gasDb, { now: clock.now, timeZone: options.timeZone, bootId: options.bootId });
    const gate = createGate({ ledger, clock });
    const limits = createLimits({ rows: ledger.limits, clock, log, random: createSystemRandom() });
    const prices = createPriceList({ builtIn: resourcePath('prices/prices.json'), own: paths.prices, clock, log });
    const dispatcher = new Agent({ allowH2: false, headersTimeout: patienceMs, bodyTimeout: patienceMs });
    const mirror = createRegistryMirror({ clock, log });
    const upstream = { urls, dispatcher };
    const mcp = createIterationMcp({ ledger, clock, log });
    const proxy = createProxy({ ledger, gate, limits, clock, log, credentials, prices, mirror, mcp, upstream });
    const tunnels = createTunnels({ clock, log, guestSocket: options.guestSocket, accept: proxy.accept });
    const control = await listenControl(
      { ledger, gate, limits, tunnels, proxy, mirror, credentials, clock, log },
      paths.gatewaySocket,
    );
    for (const { vm, tunnel } of ledger.tunnels()) tunnels.put(vm, tunnel);
    const { asOf } = await prices.current();
    log.info({ socket: paths.gatewaySocket, upstream: urls, prices: asOf }, 'gateway is ready');
    return {
      close: async (drainMs) => {
        tunnels.stopAccepting();
        await proxy.drain(drainMs);
        await tunnels.close();
        await control.close();
        await Promise.all([dispatcher.destroy(), mirror.close()]);
        ledger.close();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
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
