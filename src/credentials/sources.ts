import { join } from 'node:path';
import type { CredentialSource, Provider } from '../domain/credential.ts';
import { isFleetError } from '../lib/errors.ts';
import type { Paths } from '../lib/paths.ts';
import { claudeKeychainService, readClaudeLogin, renewLogin } from './claude-login.ts';
import { absent, type Found, found, keyOf, unclear } from './found.ts';
import { createKeychain, type KeychainDeps, readKey } from './keychain.ts';
import { readPrivateFile } from './private-file.ts';

/** What `doctor` and the gateway look into alike, so that both say the same. */
export interface SourceDeps extends KeychainDeps {
  paths: Pick<Paths, 'keys'>;
  uid: number | undefined;
  /** Credentials among the variables of this process; the gateway has taken its own out of its environment. */
  variable: (name: string) => string | undefined;
  /** What a person does about a variable that is not set. */
  setVariable: (provider: Provider, name: string) => string;
}

export interface Source {
  read(): Promise<Found>;
  /** How old an answer may be; what is in the environment never changes. */
  freshMs: number;
  /** How long what was read last goes on to be used while it cannot be told what is there now. */
  graceMs: number;
}

const fileFreshMs = 1_000;
const keychainFreshMs = 60_000;
/** A login is written anew by the program it belongs to, not all at once. */
const fileGraceMs = 60_000;
/** A keychain is locked when its user goes home; the fleet works on. */
const keychainGraceMs = 12 * 3_600_000;

/** The file that `credential set` writes. */
export function ownFile(paths: Pick<Paths, 'keys'>, provider: Provider): string {
  return join(paths.keys, `credential-${provider}`);
}

export function openSource(provider: Provider, source: CredentialSource, deps: SourceDeps): Source {
  const ofFile = (read: () => Promise<Found>) => ({ read, freshMs: fileFreshMs, graceMs: fileGraceMs });
  switch (source.from) {
    case 'env':
      return {
        read: async () => readVariable(provider, source.name, deps),
        freshMs: Number.POSITIVE_INFINITY,
        graceMs: 0,
      };
    case 'file':
      return ofFile(() => readKeyFile(provider, source.path, deps));
    case 'keychain':
      return { read: () => readKey(createKeychain(deps), source), freshMs: keychainFreshMs, graceMs: keychainGraceMs };
    case 'setup-token':
      return ofFile(() => readSetupToken(provider, source.name, deps));
    case 'claude-login': {
      const inKeychain = source.path === null && deps.platform === 'darwin';
      const read = () => (inKeychain ? readLoginOnMac(deps) : readLoginFile(source.path, deps));
      return { ...ofFile(read), freshMs: inKeychain ? keychainFreshMs : fileFreshMs };
    }
    case 'none': {
      const remedy = `ralph-fleet credential use ${provider} …   or   ralph-fleet credential set ${provider}`;
      return ofFile(async () => absent('it was taken away with `credential clear`', remedy));
    }
  }
}

function readVariable(provider: Provider, name: string, { variable, setVariable }: SourceDeps): Found {
  const text = variable(name)?.trim() ?? '';
  if (text === '') return absent(`$${name} is not set`, setVariable(provider, name));
  const key = keyOf(text);
  return key === null ? absent(`what $${name} holds is no key`, setVariable(provider, name)) : found(key);
}

async function readKeyFile(provider: Provider, named: string | null, { paths, uid }: SourceDeps): Promise<Found> {
  const path = named ?? ownFile(paths, provider);
  const file = await readPrivateFile(path, uid);
  const setIt = `ralph-fleet credential set ${provider}`;
  if (!file.ok) return absent(file.why, named === null && !file.remedy.startsWith('chmod') ? setIt : file.remedy);
  const key = keyOf(file.bytes.toString('utf8'));
  const remedy = named === null ? setIt : 'the file holds the key and nothing else';
  return key === null ? absent(`what stands in \`${path}\` is no key`, remedy) : found(key);
}

/** The fleet's own file; where there is none, the variable that Claude Code itself looks at. */
async function readSetupToken(provider: Provider, name: string, deps: SourceDeps): Promise<Found> {
  const file = await readPrivateFile(ownFile(deps.paths, provider), deps.uid);
  const makeOne = `claude setup-token, then: ralph-fleet credential set ${provider}`;
  if (!file.ok && file.remedy.startsWith('chmod')) return absent(file.why, file.remedy);
  const text = file.ok ? file.bytes.toString('utf8') : deps.variable(name);
  if (text === undefined) return absent(`there is neither the fleet's own file nor $${name}`, makeOne);
  const key = keyOf(text);
  const where = file.ok ? "the fleet's own file" : `$${name}`;
  return key === null ? absent(`what ${where} holds is no token`, makeOne) : found(key, { isSubscription: true });
}

async function readLoginFile(named: string | null, { env, uid }: SourceDeps): Promise<Found> {
  const folder = env['CLAUDE_CONFIG_DIR'] || join(env['HOME'] ?? '/', '.claude');
  const path = named ?? join(folder, '.credentials.json');
  const file = await readPrivateFile(path, uid);
  if (file.ok) return readClaudeLogin(file.bytes, `\`${path}\``);
  return absent(file.why, file.why.startsWith('there is no') ? 'claude /login' : file.remedy);
}

/** There the keychain is the truth, under the user's own name; the file is only a copy that may be missing or old. */
async function readLoginOnMac(deps: SourceDeps): Promise<Found> {
  const account = deps.env['USER'] ?? '';
  const answer = await createKeychain(deps).read({ service: claudeKeychainService, account });
  if (answer.ok) return readClaudeLogin(Buffer.from(answer.text, 'utf8'), "Claude Code's entry in the keychain");
  return answer.found.kind === 'absent' ? readLoginFile(null, deps) : answer.found;
}

/** Whatever goes wrong while looking is said, not thrown. */
export async function look(source: Source): Promise<Found> {
  try {
    return await source.read();
  } catch (error) {
    const why = isFleetError(error)
      ? error.message
      : `it cannot be read (${String((error as NodeJS.ErrnoException).code ?? error)})`;
    return unclear(why, renewLogin);
  }
}
