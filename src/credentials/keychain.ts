import { cleanLine } from '../lib/clean-text.ts';
import { isFleetError } from '../lib/errors.ts';
import { baseEnvironment, type Exec, type ExecResult } from '../lib/exec.ts';
import { absent, type Found, keyOf, found as there, unclear } from './found.ts';

/**
 * The system's own keychain: libsecret's `secret-tool` on Linux, `security` on macOS. A secret comes by stdout and goes in by
 * stdin, never as an argument. What the tools print on stdout is never repeated: it may be the secret.
 *
 * Measured with secret-tool 0.20.5: `lookup` ends with 1 and says nothing both where nothing is found and where the keychain is
 * locked; `search` tells the two apart by what it says on stderr.
 */
export interface KeychainDeps {
  exec: Exec;
  platform: NodeJS.Platform;
  env: Readonly<Record<string, string | undefined>>;
}

export interface KeychainItem {
  service: string;
  account: string;
}

export interface Keychain {
  /** The secret's text as it stands there. */
  read(item: KeychainItem): Promise<{ ok: true; text: string } | { ok: false; found: Found }>;
  /** Null when it is done, else why not. */
  store(item: KeychainItem, secret: string): Promise<Failure | null>;
  clear(item: KeychainItem): Promise<Failure | null>;
}

export interface Failure {
  why: string;
  remedy: string;
}

const deadlineMs = 10_000;
const storeDeadlineMs = 60_000; // a person may have to type the keychain's password
const maxBytes = 64 * 1024;
/** How the tools find the user's session. */
const sessionVariables = ['DBUS_SESSION_BUS_ADDRESS', 'DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY'];

export function sessionEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept = sessionVariables.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  return { ...baseEnvironment({ ...env }), ...Object.fromEntries(kept) };
}

export function createKeychain(deps: KeychainDeps): Keychain {
  return deps.platform === 'darwin' ? createMacKeychain(deps) : createLibsecret(deps);
}

/** Null where the tool could not be asked at all; why is said then. */
async function ask(
  { exec, env }: KeychainDeps,
  argv: readonly string[],
  { input, timeoutMs = deadlineMs }: { input?: string; timeoutMs?: number } = {},
): Promise<ExecResult | Failure> {
  const anyCode = Array.from({ length: 256 }, (_, code) => code);
  try {
    return await exec(argv, {
      env: sessionEnvironment(env),
      timeoutMs,
      okExitCodes: anyCode,
      maxBytes,
      ...(input === undefined ? {} : { input }),
    });
  } catch (error) {
    const tool = argv[0] ?? '';
    if (isFleetError(error, 'command_missing')) return missing(tool);
    const how = isFleetError(error, 'command_timed_out')
      ? `did not answer within ${timeoutMs / 1000} s: is the keychain locked?`
      : isFleetError(error, 'too_large')
        ? 'printed more than a secret'
        : 'failed';
    return {
      why: `\`${tool}\` ${how}`,
      remedy: 'unlock the keychain, or choose another source: ralph-fleet credential --help',
    };
  }
}

function missing(tool: string): Failure {
  const remedy =
    tool === 'secret-tool' ? 'sudo apt install libsecret-tools   (or your system’s package of it)' : `which ${tool}`;
  return { why: `there is no \`${tool}\`, which reads the keychain`, remedy };
}

function hasFailed(answer: ExecResult | Failure): answer is Failure {
  return 'why' in answer;
}

/** Only stderr: stdout may hold the secret. */
function said(tool: string, { exitCode, stderr }: ExecResult): string {
  const words = cleanLine(stderr.trim().split('\n').at(-1) ?? '', 200).replace(new RegExp(`^${tool}: `), '');
  return `\`${tool}\` ended with ${exitCode}${words === '' ? '' : `: ${words}`}`;
}

const unlock = 'unlock the keychain: log in at the desktop, or see docs/credentials.md for a host without one';

function createLibsecret(deps: KeychainDeps): Keychain {
  const attributes = ({ service, account }: KeychainItem) => ['service', service, 'account', account];
  const tool = 'secret-tool';
  return {
    async read(item) {
      const answer = await ask(deps, [tool, 'lookup', ...attributes(item)]);
      if (hasFailed(answer)) return { ok: false, found: unclear(answer.why, answer.remedy) };
      if (answer.exitCode === 0 && answer.stdout !== '') return { ok: true, text: answer.stdout };
      if (answer.stderr.trim() !== '') return { ok: false, found: unclear(said(tool, answer), unlock) };
      const search = await ask(deps, [tool, 'search', ...attributes(item)]);
      if (!hasFailed(search) && search.exitCode === 0 && search.stdout.trim() === '' && search.stderr.trim() === '')
        return { ok: false, found: absent(`the keychain holds nothing for ${nameOf(item)}`, setIt(item)) };
      return { ok: false, found: unclear('the keychain is locked', unlock) };
    },
    async store(item, secret) {
      const label = `--label=ralph-fleet: ${item.account}`;
      return refusal(
        tool,
        await ask(deps, [tool, 'store', label, ...attributes(item)], { input: secret, timeoutMs: storeDeadlineMs }),
      );
    },
    async clear(item) {
      const answer = await ask(deps, [tool, 'clear', ...attributes(item)], { timeoutMs: storeDeadlineMs });
      // 1 without a word: there was nothing.
      if (!hasFailed(answer) && answer.exitCode === 1 && answer.stderr.trim() === '') return null;
      return refusal(tool, answer);
    },
  };
}

const notFound = 44;

function createMacKeychain(deps: KeychainDeps): Keychain {
  const tool = 'security';
  const which = ({ service, account }: KeychainItem) => ['-s', service, '-a', account];
  return {
    async read(item) {
      const answer = await ask(deps, [tool, 'find-generic-password', ...which(item), '-w']);
      if (hasFailed(answer)) return { ok: false, found: unclear(answer.why, answer.remedy) };
      if (answer.exitCode === 0 && answer.stdout !== '') return { ok: true, text: answer.stdout };
      if (answer.exitCode === notFound)
        return { ok: false, found: absent(`the keychain holds nothing for ${nameOf(item)}`, setIt(item)) };
      return { ok: false, found: unclear(said(tool, answer), 'security unlock-keychain') };
    },
    async store(item, secret) {
      // Commands by stdin: as an argument the secret would be seen in the list of processes.
      const hex = Buffer.from(secret, 'utf8').toString('hex');
      const command = `add-generic-password -U ${which(item).map(macQuoted).join(' ')} -X ${hex}\n`;
      return refusal(tool, await ask(deps, [tool, '-i'], { input: command, timeoutMs: storeDeadlineMs }));
    },
    async clear(item) {
      const answer = await ask(deps, [tool, 'delete-generic-password', ...which(item)], { timeoutMs: storeDeadlineMs });
      if (!hasFailed(answer) && answer.exitCode === notFound) return null;
      return refusal(tool, answer);
    },
  };
}

function refusal(tool: string, answer: ExecResult | Failure): Failure | null {
  if (hasFailed(answer)) return answer;
  return answer.exitCode === 0 ? null : { why: said(tool, answer), remedy: unlock };
}

function nameOf({ service, account }: KeychainItem): string {
  return `service \`${service}\`, account \`${account}\``;
}

function setIt({ account }: KeychainItem): string {
  return `ralph-fleet credential set ${account} --keychain`;
}

function macQuoted(word: string): string {
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** A key kept in the keychain. */
export async function readKey(keychain: Keychain, item: KeychainItem): Promise<Found> {
  const answer = await keychain.read(item);
  if (!answer.ok) return answer.found;
  const key = keyOf(answer.text);
  return key === null ? absent(`what the keychain holds for ${nameOf(item)} is no key`, setIt(item)) : there(key);
}
