import type { Clock } from '../../lib/clock.ts';
import { FleetError, isFleetError } from '../../lib/errors.ts';
import { acquireLock, type Lock } from '../../lib/lock.ts';
import type { Log } from '../../lib/log.ts';
import type { Paths } from '../../lib/paths.ts';
import type { Api } from '../apis.ts';
import { createGatewayClient, type GatewayClient } from '../client.ts';
import type { Credential } from '../credentials/credential.ts';
import { checkBooks } from '../ledger/sql.ts';
import type { AtStep } from './steps.ts';

export interface AskDeps {
  paths: Paths;
  clock: Clock;
  log: Log;
  credentials: Readonly<Record<Api['provider'], Credential>>;
  atStep: AtStep;
}

/** How long the kernel may take to let go of what a killed one held. */
const lockMs = 3_000;

/** The lock of the running gateway, with its consent; where none runs, or it dies over it, the lock is free. */
export async function askForPlace(deps: AskDeps): Promise<Lock> {
  const { paths, clock, log, atStep } = deps;
  const client = createGatewayClient(paths.gatewaySocket);
  try {
    const now = await client.look();
    if (now !== null && (await hasNone(deps)) && (await hasOne(client))) {
      throw new FleetError(
        'refused',
        'The running gateway has a credential for the model API, and this one has none.',
        {
          remedy:
            'See where it is looked for: ralph-fleet credential show. A variable is set where the daemon is started. Then again: ralph-fleet daemon upgrade',
        },
      );
    }
    checkBooks(paths.gasDb);
    atStep('next:asks');
    if (now !== null) {
      await client.handOver();
      log.info({ pid: now.pid }, 'the gateway that ran hands over');
    }
  } catch (error) {
    if (!isFleetError(error, 'gateway_unavailable')) throw error;
    log.warn({ err: error.message }, 'the gateway that ran has not handed over');
  } finally {
    await client.close();
  }
  atStep('next:answered');
  for (const latest = clock.now() + lockMs; ; ) {
    try {
      return await acquireLock(paths.gatewayLock, 'gateway');
    } catch (error) {
      if (!isFleetError(error, 'already_running') || clock.now() >= latest) throw error;
      await clock.sleep(50);
    }
  }
}

async function hasNone({ credentials }: AskDeps): Promise<boolean> {
  const taken = await Promise.all(Object.values(credentials).map((it) => it.take()));
  return !taken.some((key) => key.ok);
}

/** One of an earlier version cannot be asked. */
async function hasOne(client: GatewayClient): Promise<boolean> {
  const looks = await client.credentials([]).catch(() => []);
  return looks.some(({ state }) => state === 'present');
}
