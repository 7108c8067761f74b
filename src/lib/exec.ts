import { type ChildProcess, spawn } from 'node:child_process';
import { execa } from 'execa';
import { FleetError } from './errors.ts';

/**
 * The only place that starts processes. argv arrays, never a shell string; a child gets only the environment it is given;
 * each has a deadline; at the deadline or on abort it is asked to end (SIGTERM), then forced (SIGKILL) 5 s later.
 */
export interface ExecOptions {
  cwd?: string;
  /** The whole environment of the child; default: PATH, HOME, LANG, TMPDIR and the XDG variables of this process. */
  env?: Record<string, string>;
  input?: string | Uint8Array;
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Exit codes that are no failure; default [0]. */
  okExitCodes?: readonly number[];
  /** More output than this ends the child and fails with `too_large`; default 64 MiB. */
  maxBytes?: number;
  /** Also hand each piece of stdout and stderr over as it comes. */
  onOutput?: (chunk: Uint8Array) => void;
}

export interface ExecResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export type Exec = (argv: readonly string[], options?: ExecOptions) => Promise<ExecResult>;

const keptVariables = [
  'PATH',
  'HOME',
  'LANG',
  'TMPDIR',
  'USER',
  'LOGNAME',
  'XDG_RUNTIME_DIR',
  'XDG_CONFIG_HOME',
  'XDG_CACHE_HOME',
  'XDG_STATE_HOME',
];

export function baseEnvironment(from: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of keptVariables) {
    const value = from[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

/** How this machine reaches the network (proxy, its own certificates, npm registry), for programs that fetch. */
const networkVariables =
  /^(https?_proxy|no_proxy|all_proxy|node_extra_ca_certs|ssl_cert_(file|dir)|npm_config_(registry|cafile))$/i;

export function networkEnvironment(from: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const kept = Object.entries(from).filter(([name]) => networkVariables.test(name));
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

const defaultMaxBytes = 64 * 1024 * 1024;

export function createExec(): Exec {
  return async (argv, options = {}) => {
    const [file, ...args] = argv;
    if (file === undefined) throw new FleetError('bug', 'exec was called without a command');
    const child = execa(file, args, toExecaOptions(options));
    if (options.onOutput) {
      child.stdout?.on('data', options.onOutput);
      child.stderr?.on('data', options.onOutput);
    }
    const result = await child;
    refuseFailure(argv, options, { ...result, stdout: String(result.stdout), stderr: String(result.stderr) });
    return { exitCode: result.exitCode ?? 0, stdout: String(result.stdout), stderr: String(result.stderr) };
  };
}

function toExecaOptions(options: ExecOptions) {
  return {
    env: options.env ?? baseEnvironment(),
    extendEnv: false,
    reject: false,
    stdin: options.input === undefined ? 'ignore' : 'pipe',
    stripFinalNewline: false,
    maxBuffer: options.maxBytes ?? defaultMaxBytes,
    forceKillAfterDelay: 5000,
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
  } as const;
}

interface Outcome {
  exitCode?: number | undefined;
  stdout: string;
  stderr: string;
  code?: string | undefined;
  signal?: string | undefined;
  cause?: unknown;
  isCanceled?: boolean;
  timedOut?: boolean;
  isMaxBuffer?: boolean;
}

function refuseFailure(argv: readonly string[], options: ExecOptions, result: Outcome): void {
  const shown = describe(argv);
  const details = { argv: [...argv], exitCode: result.exitCode, stderr: tail(result.stderr) };
  if (result.isCanceled) throw new DOMException('called off', 'AbortError');
  if (result.code === 'ENOENT' && result.exitCode === undefined) {
    const where = options.cwd === undefined ? '' : `, or no such folder \`${options.cwd}\``;
    throw new FleetError('command_missing', `Cannot run \`${argv[0]}\`: no such command${where}.`, {
      remedy: 'ralph-fleet doctor',
      details,
    });
  }
  if (result.timedOut) {
    throw new FleetError('command_timed_out', `\`${shown}\` did not end within ${options.timeoutMs} ms.`, { details });
  }
  if (result.isMaxBuffer) {
    throw new FleetError('too_large', `\`${shown}\` printed more than ${options.maxBytes ?? defaultMaxBytes} bytes.`, {
      details,
    });
  }
  if (result.exitCode === undefined) {
    const how = result.signal ?? 'an error';
    throw new FleetError('command_failed', `\`${shown}\` was ended by ${how}.`, { details, cause: result.cause });
  }
  if (!(options.okExitCodes ?? [0]).includes(result.exitCode)) {
    const said = lastLines(result.stderr) || lastLines(result.stdout) || 'no output';
    throw new FleetError('command_failed', `\`${shown}\` ended with ${result.exitCode}: ${said}`, { details });
  }
}

/**
 * Starts a process that outlives this one (own session, output to the given open file) and lets go of it.
 * Returns its pid.
 */
export function spawnDetached(
  argv: readonly string[],
  options: { env: Record<string, string>; logFd: number; cwd?: string },
): number {
  const [file, ...args] = argv;
  if (file === undefined) throw new FleetError('bug', 'spawnDetached was called without a command');
  const child: ChildProcess = spawn(file, args, {
    detached: true,
    env: options.env,
    stdio: ['ignore', options.logFd, options.logFd],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  child.on('error', () => {}); // a missing file shows as "did not answer" to whoever waits for the process
  child.unref();
  if (child.pid === undefined) throw new FleetError('command_missing', `Cannot start \`${file}\`.`);
  return child.pid;
}

/** Runs a child with this process's terminal (attach, editor); resolves with its exit code. */
export function runInTerminal(argv: readonly string[], env: Record<string, string>): Promise<number> {
  const [file, ...args] = argv;
  if (file === undefined) throw new FleetError('bug', 'runInTerminal was called without a command');
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: 'inherit', env });
    child.on('error', (cause) => reject(new FleetError('command_missing', `Cannot run \`${file}\`.`, { cause })));
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

function describe(argv: readonly string[]): string {
  const text = argv.join(' ');
  return text.length > 160 ? `${text.slice(0, 157)}...` : text;
}

const shownLines = 3;

/** What a person needs of an output: its end. The rest stands in the details. */
function lastLines(text: string): string {
  return text.trim().split('\n').slice(-shownLines).join('\n').slice(-600);
}

function tail(text: string): string {
  return text.trim().slice(-2000);
}
