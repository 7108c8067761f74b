import { parseArgs } from 'node:util';
import { createCredential } from '../gateway/credentials.ts';
import { defaultGuestSocket, defaultUpstream, startGateway } from '../gateway/start.ts';
import { createSystemClock } from '../lib/clock.ts';
import { formatError, isFleetError } from '../lib/errors.ts';
import { createLog, standardOutput } from '../lib/log.ts';
import { resolvePaths } from '../lib/paths.ts';
import { makeFolders } from './folders.ts';

/**
 * The gateway process. Its credential comes from ANTHROPIC_API_KEY, or from the file that ANTHROPIC_API_KEY_FILE names; it is
 * never an argument. SIGTERM or SIGINT: open streams may end by themselves until the deadline; a second one ends them.
 */
const drainMs = 60_000;
const alreadyRunningExit = 4;

async function main(): Promise<void> {
  process.umask(0o077); // ledger, lock and socket are this user's alone
  const { values } = parseArgs({
    options: { upstream: { type: 'string' }, 'guest-socket': { type: 'string' } },
  });
  const { env } = process;
  const file = env['ANTHROPIC_API_KEY_FILE'];
  const source = file
    ? ({ from: 'file', path: file } as const)
    : ({ from: 'env', value: env['ANTHROPIC_API_KEY'] } as const);
  const credential = createCredential(source, () => log);
  const log = createLog({ destination: { write: (line) => standardOutput.write(credential.hide(line)) } });
  delete env['ANTHROPIC_API_KEY']; // nothing this process may ever start shall inherit it
  try {
    const paths = resolvePaths(env);
    await makeFolders(paths);
    const gateway = await startGateway({
      paths,
      log,
      clock: createSystemClock(),
      credential,
      upstream: values.upstream ?? env['ANTHROPIC_UPSTREAM'] ?? defaultUpstream,
      guestSocket: values['guest-socket'] ?? defaultGuestSocket,
    });
    let closing = false;
    const stop = (signal: string) => {
      log.info({ signal }, 'gateway stops');
      if (closing) process.exit(1);
      closing = true;
      gateway.close(drainMs).then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: formatError(error) }, 'gateway did not stop cleanly');
          process.exit(1);
        },
      );
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  } catch (error) {
    log.error({ err: formatError(error), code: isFleetError(error) ? error.code : 'bug' }, 'gateway cannot start');
    process.exitCode = isFleetError(error, 'already_running') ? alreadyRunningExit : 1;
  }
}

await main();
