import { access, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import type { Exec } from '../lib/exec.ts';
import type { Paths } from '../lib/paths.ts';
import { createOwnGit, type Git } from './git.ts';
import { createWriterLock } from './writer-lock.ts';

/**
 * The host repository of a project, `<state>/repos/<project>/`: `git/` bare, `jj/` a jj repository without a workspace on top of it,
 * both without hooks and anybody's configuration.
 *
 *   refs/heads/ralph/<task>              the task's one change: a jj bookmark, and what `git fetch ralph` shows
 *   refs/heads/ralph/<task>-rewound-<n>  what a person took back when they rewound it
 *   refs/rf/tip/<branch>                 the user's branch when last looked at            (jj imports nothing under refs/rf)
 *   refs/rf/agent/<task>/<n>             what the agent committed, as it was
 *   refs/rf/seed/<commit>                what a workspace was seeded from
 *   refs/rf/approved/<task>/<commit>/<base>  the commit made from an approval, before the user's branch is moved to it
 */
export interface ProjectRepository {
  project: string;
  folder: string;
  gitFolder: string;
  git: Git;
  /** Lets jj see what git's refs say. */
  importRefs(): Promise<void>;
}

export interface Repositories {
  /** The repository, or `not_found`. */
  open(project: string): Promise<ProjectRepository>;
  ensure(project: string): Promise<ProjectRepository>;
  /** Removes one that was made for a replay, and no other. */
  discard(project: string): Promise<void>;
  /** Runs `work` as the project's one writer. */
  writing<T>(project: string, work: () => Promise<T>): Promise<T>;
}

export interface RepositoryDeps {
  exec: Exec;
  paths: Pick<Paths, 'repos'>;
  clock: Clock;
  /** The programs. */
  git: string;
  jj: string;
  /** PATH of the programs' own children. */
  path: string;
}

export const taskRef = (task: string) => `refs/heads/ralph/${checkName('task', task)}`;

export const keptRef = (task: string, n: number) => `${taskRef(task)}-rewound-${n}`;

/** Names become parts of paths and refs. */
export function checkName(noun: 'project' | 'task', name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) && !name.includes('..') && !/(\.lock|\.)$/.test(name)) return name;
  throw new FleetError('usage', `\`${name.slice(0, 80)}\` cannot be the name of a ${noun}.`, {
    remedy: 'Use letters, digits, `-`, `_` and `.`, at most 64, beginning with a letter or digit.',
  });
}

export function createRepositories(deps: RepositoryDeps): Repositories {
  const lock = createWriterLock(deps.clock);
  const ready = new Map<string, ProjectRepository>();
  const at = (project: string) => describe(deps, project);

  async function open(project: string): Promise<ProjectRepository> {
    const known = ready.get(project);
    if (known) return known;
    const repository = at(project);
    if (!(await exists(join(repository.folder, 'ready')))) {
      throw new FleetError(
        'not_found',
        `There is no repository of project \`${project}\` at \`${repository.folder}\`.`,
        {
          remedy: 'ralph-fleet project add PATH',
        },
      );
    }
    ready.set(project, repository);
    return repository;
  }

  const swept = new Set<string>();
  const writing = <T>(project: string, work: () => Promise<T>) =>
    lock(join(at(project).folder, 'lock'), async () => {
      if (!swept.has(project)) await removeGitLocks(at(project).gitFolder);
      swept.add(project);
      return work();
    });

  async function ensure(project: string): Promise<ProjectRepository> {
    const repository = at(project);
    if (await exists(join(repository.folder, 'ready'))) return open(project);
    await writing(project, async () => {
      if (!(await exists(join(repository.folder, 'ready')))) await make(deps, repository);
    });
    return open(project);
  }

  async function discard(project: string): Promise<void> {
    if (!/^rp-[0-9a-f]{8}$/.test(project))
      throw new FleetError('bug', `The repository of \`${project}\` is not removed.`);
    ready.delete(project);
    await rm(at(project).folder, { recursive: true, force: true });
  }

  return { open, ensure, writing, discard };
}

function describe(deps: RepositoryDeps, project: string): ProjectRepository {
  const folder = join(deps.paths.repos, checkName('project', project));
  const gitFolder = join(folder, 'git');
  const git = createOwnGit({ exec: deps.exec, program: deps.git, gitFolder, path: deps.path });
  const importRefs = async () => {
    await runJj(deps, folder, ['--repository', join(folder, 'jj'), '--ignore-working-copy', 'git', 'import']);
  };
  return { project, folder, gitFolder, git, importRefs };
}

/** Made from the start each time until the last file is written: a half-made one is never used. */
async function make(deps: RepositoryDeps, repository: ProjectRepository): Promise<void> {
  const { folder, gitFolder, git } = repository;
  const jjFolder = join(folder, 'jj');
  await rm(gitFolder, { recursive: true, force: true });
  await rm(jjFolder, { recursive: true, force: true });
  await mkdir(gitFolder, { recursive: true, mode: 0o700 });
  await git(['init', '--quiet', '--bare', '--template=', '--initial-branch=ralph/none', gitFolder]);
  for (const [key, value] of [
    ['core.logAllRefUpdates', 'false'],
    ['gc.auto', '0'],
    ['receive.hideRefs', 'refs'], // a push by the user is refused: the remote is for reading
    ['core.fsyncMethod', 'batch'],
    ['core.fsync', 'committed,reference'],
  ] as const) {
    await git(['config', key, value]);
  }
  await writeFile(join(folder, 'jj.toml'), jjConfig, { mode: 0o600 });
  await runJj(deps, folder, ['git', 'init', '--git-repo', gitFolder, jjFolder]);
  // Relative, so that the state folder can be moved and restored elsewhere.
  await writeFile(join(jjFolder, '.jj/repo/store/git_target'), '../../../../git');
  await runJj(deps, folder, ['--repository', jjFolder, '--ignore-working-copy', 'workspace', 'forget', 'default']);
  await writeFile(join(folder, 'ready.tmp'), '1\n', { mode: 0o600 });
  await rename(join(folder, 'ready.tmp'), join(folder, 'ready'));
}

/** Lock files of a git that was killed would stop every later one. Whoever calls this is the one writer: no other git is at work. */
async function removeGitLocks(gitFolder: string): Promise<void> {
  const names = await readdir(gitFolder).catch(() => []);
  const refs = await readdir(join(gitFolder, 'refs'), { recursive: true }).catch(() => []);
  const locks = [...names, ...refs.map((name) => join('refs', name))].filter((name) => name.endsWith('.lock'));
  for (const name of locks) await rm(join(gitFolder, name), { force: true });
}

const jjConfig = `[user]
name = "ralph-fleet"
email = "ralph-fleet@localhost"
[ui]
paginate = "never"
color = "never"
[signing]
behavior = "drop"
[revset-aliases]
"immutable_heads()" = "none()"
`;

async function runJj(deps: RepositoryDeps, folder: string, args: readonly string[]): Promise<string> {
  const env = { PATH: deps.path, HOME: folder, LANG: 'C', JJ_CONFIG: join(folder, 'jj.toml') };
  const gitEnv = { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null', GIT_TERMINAL_PROMPT: '0' };
  const result = await deps.exec([deps.jj, '--quiet', ...args], {
    cwd: folder,
    env: { ...env, ...gitEnv },
    timeoutMs: 120_000,
  });
  return result.stdout;
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
