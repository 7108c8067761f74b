import type { Exec, ExecResult } from '../lib/exec.ts';

/** Runs git with the safety of one place: which repository, which configuration, which environment. Returns its stdout. */
export interface Git {
  (args: readonly string[], options?: GitOptions): Promise<string>;
  /** The same with the exit code, for commands that say something by it. */
  run(args: readonly string[], options?: GitOptions): Promise<ExecResult>;
}

export interface GitOptions {
  input?: string;
  /** Standard input from a file, from this byte on. */
  inputFile?: { path: string; offset: number };
  okExitCodes?: readonly number[];
  env?: Record<string, string>;
  maxBytes?: number;
  timeoutMs?: number;
}

interface GitDeps {
  exec: Exec;
  /** The git program. */
  program: string;
  env: Record<string, string>;
  /** Put before the subcommand. */
  args: readonly string[];
  cwd: string;
}

const timeoutMs = 120_000;

function createGit(deps: GitDeps): Git {
  const run = (args: readonly string[], { inputFile, ...options }: GitOptions = {}) => {
    const argv = [deps.program, ...deps.args, ...args];
    return deps.exec(inputFile ? [...feed(inputFile), ...argv] : argv, {
      cwd: deps.cwd,
      timeoutMs,
      ...options,
      env: { ...deps.env, ...options.env },
    });
  };
  const stdout = async (args: readonly string[], options?: GitOptions) => (await run(args, options)).stdout;
  return Object.assign(stdout, { run });
}

/** A fixed script; file, offset and command are its arguments. */
function feed(file: { path: string; offset: number }): string[] {
  const script = 'tail -c "+$1" -- "$2" | { shift 2; exec "$@"; }';
  return ['sh', '-c', script, 'sh', String(file.offset + 1), file.path];
}

const neverPrompt = { GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C', LANG: 'C', GIT_OPTIONAL_LOCKS: '0' };

/** Git on a repository of ours: nobody's configuration, hooks, attributes, replacements or pathspec magic. */
export function createOwnGit(deps: { exec: Exec; program: string; gitFolder: string; path: string }): Git {
  const env = {
    ...neverPrompt,
    PATH: deps.path,
    HOME: deps.gitFolder,
    GIT_DIR: deps.gitFolder,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
  };
  const args = ['-c', 'core.hooksPath=/dev/null', '-c', 'gc.auto=0', '-c', 'maintenance.auto=false'];
  return createGit({ exec: deps.exec, program: deps.program, env, args, cwd: deps.gitFolder });
}

/**
 * Git in the user's checkout, with the user's configuration (identity, line ends, filters). No hook and no file watcher of
 * that repository runs: an approval is the user's word for a commit, not for what a hook may do.
 */
export function createUserGit(deps: {
  exec: Exec;
  program: string;
  checkout: string;
  env: Record<string, string>;
}): Git {
  const args = ['-c', 'core.hooksPath=/dev/null', '-c', 'core.fsmonitor=false', '-c', 'gc.auto=0'];
  return createGit({
    exec: deps.exec,
    program: deps.program,
    env: { ...deps.env, ...neverPrompt, GIT_REFLOG_ACTION: 'ralph-fleet' },
    args: [...args, '-c', 'maintenance.auto=false', '-c', 'core.quotePath=true'],
    cwd: deps.checkout,
  });
}
