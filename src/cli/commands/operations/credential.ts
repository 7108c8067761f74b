import type { CredentialView } from '../../../contract/credentials.ts';
import {
  type CredentialKind,
  type CredentialSource,
  defaultSource,
  type Provider,
  providers,
} from '../../../domain/credential.ts';
import { FleetError } from '../../../lib/errors.ts';
import { type CommandInput, type CommandSpec, type Context, flag, text } from '../../frame/command.ts';
import { renderCredentials } from '../../render/credentials.ts';
import { who } from '../../who.ts';

const kinds = ['env', 'file', 'keychain', 'setup-token', 'claude-login'] as const satisfies CredentialKind[];
const aboutProvider = providers.join(' or ');

const show: CommandSpec = {
  name: 'show',
  summary: 'Shows where each credential comes from, and how it stands; never the credential.',
  args: [{ syntax: '[provider]', about: aboutProvider }],
  examples: ['', 'anthropic', '--json=provider,state,source'],
  run: async (context, { args: [named] }) => {
    const provider = named === undefined ? null : readProvider(named);
    await context.needDaemon();
    const { items, next } = await context.client.call('credentials');
    const shown = items.filter((item) => provider === null || item.provider === provider);
    context.print({ items: shown, next }, (look) => renderCredentials(shown, look));
    return 0;
  },
};

const set: CommandSpec = {
  name: 'set',
  summary:
    'Takes an API key, or a token of `claude setup-token`, from a hidden prompt or stdin, and uses it at once. It is kept in a file only you can read.',
  args: [{ syntax: '<provider>', about: aboutProvider }],
  options: [{ flags: '--keychain', about: "kept in the system's keychain instead" }],
  examples: ['anthropic', 'anthropic < token.txt', 'openai --keychain'],
  run: async (context, input) => {
    const provider = readProvider(input.args[0]);
    const { keepInFile, keepInKeychain, ownSource, readGiven } = await import('../../../credentials/keep.ts');
    const { io } = context;
    const asked = `Key or token for ${provider} (it is not shown): `;
    const key = readGiven(io.inTty ? await io.askHidden(asked) : await io.readStdin());
    await context.needDaemon();
    const inKeychain = flag(input, 'keychain');
    const source = inKeychain
      ? await keepInKeychain(await keychainOf(context), provider, key)
      : ownSource(provider, key);
    if (!inKeychain) await keepInFile(context.paths, provider, key);
    return tell(context, await use(context, { provider, source }));
  },
};

const clear: CommandSpec = {
  name: 'clear',
  summary:
    'Takes a credential away from the fleet: open calls end, new ones are refused, tasks wait. Removes what `credential set` kept.',
  args: [{ syntax: '<provider>', about: aboutProvider }],
  examples: ['anthropic', 'openai --json'],
  run: async (context, { args: [named] }) => {
    const provider = readProvider(named);
    await context.needDaemon();
    const before = (await context.client.call('credentials')).items.find((item) => item.provider === provider);
    // The gateway lets go of it first; then there is time for files and keychains.
    const told = await use(context, { provider, source: { from: 'none' } });
    const { forget } = await import('../../../credentials/keep.ts');
    const deps = { ...(await keychainOf(context)), paths: context.paths };
    await forget(deps, provider, { inKeychain: before?.from === 'keychain' });
    return tell(context, told, [
      'What `credential set` kept is removed. What stands elsewhere (a variable, a file of yours, a login) stays there;',
      `to revoke it for good, ask ${provider}.`,
    ]);
  },
};

const useIt: CommandSpec = {
  name: 'use',
  summary:
    'Says where a credential comes from, over fleet.yaml and at once. Without a source: the present one is looked at anew, also after its provider had turned it down.',
  args: [
    { syntax: '<provider>', about: aboutProvider },
    { syntax: '[source]', about: kinds.join(', ') },
  ],
  options: [
    { flags: '--name <variable>', about: 'env, setup-token: the variable; read only when the gateway starts' },
    { flags: '--path <file>', about: 'file, claude-login: the file' },
    { flags: '--service <name>', about: 'keychain: default ralph-fleet' },
    { flags: '--account <name>', about: 'keychain: default the provider' },
    { flags: '--reset', about: 'back to what fleet.yaml says' },
  ],
  examples: [
    'anthropic claude-login',
    'anthropic file --path /home/you/.secrets/anthropic',
    'openai keychain',
    'anthropic',
    'anthropic --reset',
  ],
  run: async (context, input) => {
    const provider = readProvider(input.args[0]);
    const source = readSource(provider, input);
    await context.needDaemon();
    return tell(context, await use(context, { provider, source, reset: flag(input, 'reset') }));
  },
};

function use(context: Context, wish: { provider: Provider; source: CredentialSource | null; reset?: boolean }) {
  return context.client.call('credentialUse', { body: { ...wish, by: who(context.env) } });
}

function tell(
  context: Context,
  told: { message: string; changed: boolean; credential: CredentialView },
  more: readonly string[] = [],
): number {
  context.print(told, (look) => [told.message, ...renderCredentials([told.credential], look), ...more]);
  return 0;
}

async function keychainOf({ env }: Context) {
  const { createExec } = await import('../../../lib/exec.ts');
  return { exec: createExec(), env, platform: process.platform };
}

function readProvider(named: string | undefined): Provider {
  const provider = providers.find((one) => one === named);
  if (provider !== undefined) return provider;
  throw new FleetError('usage', `\`${(named ?? '').slice(0, 40)}\` is no provider.`, {
    remedy: `Name ${aboutProvider}.`,
  });
}

const optionsOf: Readonly<Record<(typeof kinds)[number], readonly string[]>> = {
  env: ['name'],
  file: ['path'],
  keychain: ['service', 'account'],
  'setup-token': ['name'],
  'claude-login': ['path'],
};

function readSource(provider: Provider, input: CommandInput): CredentialSource | null {
  const named = input.args[1];
  const given = ['name', 'path', 'service', 'account'].filter((option) => text(input, option) !== null);
  const from = kinds.find((one) => one === named);
  if (named !== undefined && from === undefined)
    throw new FleetError('usage', `\`${named.slice(0, 40)}\` is no source of a credential.`, {
      remedy: `Name one of: ${kinds.join(', ')}.${looksLikeKey(named) ? ' A key itself is never an argument: anyone on this host could read it there.' : ''}`,
    });
  const strange = given.find((option) => from === undefined || !optionsOf[from].includes(option));
  if (strange !== undefined)
    throw new FleetError(
      'usage',
      `\`--${strange}\` says nothing about ${from === undefined ? 'no source' : `\`${from}\``}.`,
      {
        remedy: 'ralph-fleet credential use --help',
      },
    );
  if (from === undefined) return null;
  const path = text(input, 'path');
  if (path !== null && !path.startsWith('/'))
    throw new FleetError('usage', `\`--path ${path.slice(0, 100)}\` is no absolute path.`, {
      remedy: 'Begin it with /.',
    });
  const said = Object.fromEntries(given.map((option) => [option, text(input, option)]));
  return { ...defaultSource(provider, from), ...said } as CredentialSource;
}

function looksLikeKey(word: string): boolean {
  return word.length > 20 && /[0-9]/.test(word);
}

export const credential: readonly CommandSpec[] = [show, set, clear, useIt];
