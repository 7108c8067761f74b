import { Agent } from 'undici';
import { isSafeUpstream } from '../domain/upstream.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import { acquireLock } from '../lib/lock.ts';
import type { Log } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';
import { listenControl } from './control.ts';
import type { Credential } from './credentials.ts';
import { openLedger } from './ledger.ts';
import { createProxy } from './proxy.ts';
import { createRegistryMirror } from './registry-mirror.ts';
import { createTunnels } from './tunnels.ts';

export interface GatewayOptions {
  paths: Paths;
  log: Log;
  clock: Clock;
  credential: Credential;
  /** Base URL of the model API. */
  upstream: string;
  guestSocket: string;
}

export interface Gateway {
  /** Open streams get until the deadline to end by themselves. */
  close(drainMs: number): Promise<void>;
}

export const defaultUpstream = 'https://api.anthropic.com';
export const defaultGuestSocket = '/run/ralph/gateway.sock';

/** A non-streaming answer may be this long in the making. */
const patienceMs = 15 * 60_000;

/** Everything of the gateway, put together; only one may run per state folder. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { paths, log, clock, credential } = options;
  const url = checkUpstream(options.upstream);
  const lock = await acquireLock(paths.gatewayLock, 'gateway');
  try {
    const ledger = openLedger(paths.gasDb, clock.now);
    const dispatcher = new Agent({ allowH2: false, headersTimeout: patienceMs, bodyTimeout: patienceMs });
    const mirror = createRegistryMirror({ clock, log });
    const proxy = createProxy({ ledger, clock, log, credential, mirror, upstream: { url, dispatcher } });
    const tunnels = createTunnels({ clock, log, guestSocket: options.guestSocket, accept: proxy.accept });
    const control = await listenControl(
      { ledger, tunnels, proxy, mirror, credential, clock, log },
      paths.gatewaySocket,
    );
    for (const { vm, tunnel } of ledger.tunnels()) tunnels.put(vm, tunnel);
    const key = await credential.read();
    log.info({ socket: paths.gatewaySocket, upstream: url, credential: key !== null }, 'gateway is ready');
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
      remedy: `Leave it out for \`${defaultUpstream}\`.`,
    });
  }
  const url = new URL(text);
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}
