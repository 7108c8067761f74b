import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createCredential } from '../gateway/credentials.ts';
import { defaultGuestSocket, defaultUpstream, startGateway } from '../gateway/start.ts';
import { readBootId } from '../lib/boot-id.ts';
import { createSystemClock } from '../lib/clock.ts';
import { formatError, isFleetError } from '../lib/errors.ts';
import { createLog, standardOutput } from '../lib/log.ts';
import { resolvePaths } from '../lib/paths.ts';
import { resourcePath } from '../lib/resources.ts';
import { createCrashStep } from './crash-point.ts';
import { makeFolders } from './folders.ts';

/**
 * The gateway process. Its credentials come from ANTHROPIC_API_KEY and OPENAI_API_KEY, or from the files that
 * ANTHROPIC_API_KEY_FILE and OPENAI_API_KEY_FILE name; they are never arguments. SIGTERM or SIGINT: open streams may end by themselves until the deadline; a second one ends them.
 * `--take-over`: the gateway that runs hands its place to this one, and ends when what it had begun is over.
 */
const drainMs = 60_000;
const alreadyRunningExit = 4;

async function main(): Promise<void> {
  process.umask(0o077); // ledger, lock and socket are this user's alone
  const { values } = parseArgs({
    options: {
      upstream: { type: 'string' },
      'openai-upstream': { type: 'string' },
      'guest-socket': { type: 'string' },
      'take-over': { type: 'boolean', default: false },
    },
  });
  const { env } = process;
  const take = (provider: string) => {
    const file = env[`${provider}_API_KEY_FILE`];
    const value = env[`${provider}_API_KEY`];
    delete env[`${provider}_API_KEY`]; // nothing this process may ever start shall inherit it
    return createCredential(file ? { from: 'file', path: file } : { from: 'env', value }, () => log);
  };
  const credentials = { anthropic: take('ANTHROPIC'), openai: take('OPENAI') };
  const hide = (line: string) => Object.values(credentials).reduce((text, it) => it.hide(text), line);
  const log = createLog({ destination: { write: (line) => standardOutput.write(hide(line)) } });
  try {
    const paths = resolvePaths(env);
    await makeFolders(paths);
    const gateway = await startGateway({
      paths,
      log,
      clock: createSystemClock(),
      credentials,
      upstream: {
        anthropic: values.upstream ?? env['ANTHROPIC_UPSTREAM'] ?? defaultUpstream.anthropic,
        openai: values['openai-upstream'] ?? env['OPENAI_UPSTREAM'] ?? defaultUpstream.openai,
      },
      guestSocket: values['guest-socket'] ?? defaultGuestSocket,
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      bootId: readBootId(),
      program: String(JSON.parse(readFileSync(resourcePath('package.json'), 'utf8')).version),
      takeOver: values['take-over'],
      atStep: createCrashStep(env['RALPH_FLEET_GATEWAY_CRASH']),
    });
    void gateway.left.then(() => process.exit(0));
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
