import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { credentialWish } from '../contract/credentials.ts';
import { openSource, type SourceDeps } from '../credentials/sources.ts';
import {
  type CredentialSource,
  defaultSource,
  type Provider,
  providers,
  setupTokenVariable,
  variableOf,
} from '../domain/credential.ts';
import { createCredential } from '../gateway/credentials/credential.ts';
import { defaultGuestSocket, defaultUpstream, startGateway } from '../gateway/start.ts';
import { readBootId } from '../lib/boot-id.ts';
import { createSystemClock } from '../lib/clock.ts';
import { formatError, isFleetError } from '../lib/errors.ts';
import { createExec } from '../lib/exec.ts';
import { createLog } from '../lib/log.ts';
import { resolvePaths } from '../lib/paths.ts';
import { resourcePath } from '../lib/resources.ts';
import { logDestination } from '../lib/rotating-file.ts';
import { createCrashStep } from './crash-point.ts';
import { makeFolders } from './folders.ts';

/**
 * The gateway process. RALPH_FLEET_CREDENTIALS says where credentials come from (later the daemon does, over the control socket),
 * RALPH_FLEET_SECRETS which variables hold some; they are never arguments. SIGTERM or SIGINT: open streams may end by themselves
 * until the deadline; a second one ends them.
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
  const paths = resolvePaths(env);
  const secrets = takeSecrets(env);
  const sources: SourceDeps = {
    ...{ paths, env, uid: process.getuid?.(), platform: process.platform, exec: createExec() },
    variable: (name) => secrets.get(name),
    setVariable: (provider, name) =>
      `ralph-fleet credential set ${provider}   ($${name} is read only when the gateway starts)`,
  };
  const open = (provider: Provider) => {
    const deps = { provider, clock: createSystemClock(), log: () => log };
    return createCredential(
      { ...deps, open: (it) => openSource(provider, it, sources) },
      told[provider] ?? defaultSource(provider),
    );
  };
  const told = toldSources(env['RALPH_FLEET_CREDENTIALS']);
  const credentials = { anthropic: open('anthropic'), openai: open('openai') };
  const hide = (line: string) => Object.values(credentials).reduce((text, it) => it.hide(text), line);
  const out = logDestination(paths.gatewayLog);
  const log = createLog({ destination: { write: (line) => out.write(hide(line)) } });
  try {
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
      hide,
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

/** Out of the environment: nothing this process starts shall inherit one. */
function takeSecrets(env: NodeJS.ProcessEnv): Map<string, string> {
  const named = env['RALPH_FLEET_SECRETS']?.split(',') ?? [];
  const names = [...named, ...providers.flatMap((provider) => variableOf(defaultSource(provider))), setupTokenVariable];
  const taken = names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  for (const name of names) delete env[name];
  return new Map(taken);
}

function toldSources(text: string | undefined): Partial<Record<Provider, CredentialSource>> {
  if (text === undefined) return {};
  const wishes = z.array(credentialWish).parse(JSON.parse(text));
  return Object.fromEntries(wishes.map(({ provider, source }) => [provider, source]));
}

await main();
