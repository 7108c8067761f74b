import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import { baseEnvironment, type Exec } from '../lib/exec.ts';
import type { Log } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';
import type { Random } from '../lib/random.ts';
import { adopt, exportChange } from './adopt.ts';
import type { ChangeRef, Changes, ProjectRef } from './changes.ts';
import { ownIdentity, readCommit, signature, toChangeId, writeCommit } from './commit-object.ts';
import { listFiles, readDiff } from './diff.ts';
import { createUserGit, type Git } from './git.ts';
import { importSaved } from './import-saved.ts';
import { inspect } from './inspect.ts';
import { integrate } from './integrate.ts';
import type { ImportLimits } from './quarantine.ts';
import { rebase } from './rebase.ts';
import { checkCommit, moveRef, readRef, refuseMissing } from './refs.ts';
import { checkName, createRepositories, type ProjectRepository, taskRef } from './repository.ts';
import { createProtection, restoreProtected } from './restore-protected.ts';
import { rewind } from './rewind.ts';
import { seedBundle } from './seed-bundle.ts';

export interface ChangesDeps {
  exec: Exec;
  paths: Pick<Paths, 'repos' | 'tools'>;
  clock: Clock;
  random: Random;
  log: Log;
  /** The programs; default `git`, and `jj` of the tools cache (scripts/install-jj), else the one on the PATH. */
  git?: string;
  jj?: string;
  limits?: Partial<ImportLimits>;
  /** The user's environment, for git in the user's checkout. */
  userEnv?: Record<string, string>;
}

const maxFileBytes = 16 * 1024 * 1024;
const maxListBytes = 256 * 1024 * 1024;

export function createChanges(deps: ChangesDeps): Changes {
  const { exec, clock, log } = deps;
  const userEnv = deps.userEnv ?? baseEnvironment();
  const program = deps.git ?? 'git';
  const ownJj = join(deps.paths.tools, 'bin', 'jj');
  const jj = deps.jj ?? (existsSync(ownJj) ? ownJj : 'jj');
  const path = [userEnv['PATH'] ?? '/usr/bin:/bin', ...(program.includes('/') ? [dirname(program)] : [])].join(
    delimiter,
  );
  const repositories = createRepositories({ exec, paths: deps.paths, clock, git: program, jj, path });
  const userGit = (checkout: string) => createUserGit({ exec, program, checkout, env: userEnv });
  const writing = async <T>(project: string, work: (repository: ProjectRepository) => Promise<T>) => {
    const repository = await repositories.open(project);
    return repositories.writing(project, () => work(repository));
  };

  async function sync(project: ProjectRef): Promise<{ tip: string }> {
    const facts = await inspect(userGit(project.path), project.path);
    if (!facts.isRepository) throw new FleetError('not_found', `\`${project.path}\` is no git repository.`);
    if (facts.isShallow) {
      throw new FleetError('refused', `\`${project.path}\` is a shallow clone: its history is cut off.`, {
        remedy: `git -C ${project.path} fetch --unshallow`,
      });
    }
    await refuseNoBranch(userGit(project.path), project);
    const { git } = await repositories.ensure(project.name);
    return repositories.writing(project.name, async () => {
      const ref = `refs/rf/tip/${project.branch}`;
      const fetch = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules'];
      await git([...fetch, project.path, `+refs/heads/${project.branch}:${ref}`], { timeoutMs: 600_000 });
      const tip = await readRef(git, ref);
      if (tip === null)
        throw new FleetError('storage', `\`${ref}\` is missing after the fetch from \`${project.path}\`.`);
      return { tip };
    });
  }

  async function startChange(repository: ProjectRepository, task: string, base: string, title: string) {
    const { git } = repository;
    const ref = taskRef(task);
    const known = await readRef(git, ref);
    const head = known ?? (await firstCommit(repository, base, title));
    if (known === null) await moveRef(git, ref, head, null);
    await repository.importRefs();
    const { changeId } = await readCommit(git, head);
    if (changeId === null) throw new FleetError('bug', `The change of task \`${task}\` lost its change id.`);
    return { changeId, head } satisfies ChangeRef;
  }

  async function firstCommit({ git, project }: ProjectRepository, base: string, title: string): Promise<string> {
    await refuseMissing(git, base, project);
    const { tree } = await readCommit(git, base);
    const person = signature(ownIdentity, clock.now());
    const changeId = toChangeId(deps.random.hex(16));
    return writeCommit(git, { tree, parents: [base], author: person, committer: person, changeId, message: title });
  }

  return {
    inspect: (checkout) => inspect(userGit(checkout), checkout),
    sync,
    readFile: async (project, commit, file) => readFileAt((await repositories.open(project)).git, commit, file),
    hashPaths: async (project, commit, files) => hashPaths(await repositories.open(project), commit, files),
    startChange: (project, task, base, title) => writing(project, (r) => startChange(r, task, base, title)),
    bundle: (project, commit) => writing(project, (r) => seedBundle(r, commit)),
    exportChange: (project, base, commit) =>
      writing(project, (r) => exportChange(r, checkCommit(base), checkCommit(commit))),
    adopt: async (project, source, adopted) => {
      const facts = await inspect(userGit(source), source);
      if (!facts.isRepository) throw new FleetError('not_found', `\`${source}\` is no git repository.`);
      if (facts.isShallow) throw new FleetError('refused', `\`${source}\` is a shallow clone: its history is cut off.`);
      await repositories.ensure(project);
      await writing(project, (r) => adopt({ ...deps, program, path }, r, source, adopted));
    },
    discard: (project) => repositories.discard(project),
    importSaved: async (project, task, base, bundleFile) => {
      const saved = await writing(project, async (repository) => {
        await refuseMissing(repository.git, base, project);
        return importSaved({ ...deps, program, path }, repository, task, { base, bundleFile });
      });
      log.info({ project, task, head: saved.head, changed: saved.changed, files: saved.files }, 'saved work was taken');
      return saved;
    },
    remoteUrl: (project) => join(deps.paths.repos, checkName('project', project), 'git'),
    list: async (project, commit) => listAt((await repositories.open(project)).git, commit),
    listCheckout: (path, commit) => listAt(userGit(path), commit),
    readCheckout: (path, commit, file) => readFileAt(userGit(path), commit, file),
    diff: async (project, base, commit) =>
      readDiff((await repositories.open(project)).git, checkCommit(base), checkCommit(commit)),
    files: async (project, base, commit, patterns) => {
      const { git } = await repositories.open(project);
      return listFiles(git, checkCommit(base), checkCommit(commit), createProtection(patterns));
    },
    restoreProtected: (project, base, commit, patterns) =>
      writing(project, (r) => restoreProtected(r.git, r.folder, { base: checkCommit(base), commit, patterns })),
    rebase: (project, task, newBase) =>
      writing(project, async (repository) => {
        await refuseMissing(repository.git, newBase, project);
        return rebase({ clock }, repository, task, newBase);
      }),
    rewind: (project, task, way) => writing(project, (r) => rewind(r, task, way)),
    integrate: (project, task, approved, base, message) =>
      writing(project.name, async (repository) => {
        const places = { repository, user: userGit(project.path), project };
        const done = await integrate({ clock }, places, { task, commit: approved, base, message });
        log.info({ project: project.name, task, commit: done.commit }, 'an approved change is on the branch');
        return done;
      }),
  };
}

async function refuseNoBranch(user: ReturnType<typeof createUserGit>, project: ProjectRef): Promise<void> {
  const valid = await user.run(['check-ref-format', '--branch', project.branch], { okExitCodes: [0, 1, 128, 129] });
  const isName = valid.exitCode === 0 && valid.stdout.trim() === project.branch;
  if (isName && (await readRef(user, `refs/heads/${project.branch}`)) !== null) return;
  throw new FleetError('not_found', `\`${project.path}\` has no commit on a branch \`${project.branch}\`.`, {
    remedy: 'Make a first commit on it, or name another branch.',
  });
}

async function listAt(git: Git, commit: string): Promise<string[]> {
  const argv = ['ls-tree', '-r', '-z', '--full-tree', '--name-only', checkCommit(commit)];
  const listing = await git(argv, { maxBytes: maxListBytes });
  return listing.split('\0').filter((name) => name !== '');
}

async function readFileAt(git: Git, commit: string, file: string): Promise<string | null> {
  const entry = await git(['ls-tree', '--full-tree', checkCommit(commit), '--', file]);
  const [, object] = /^100\d{3} blob ([0-9a-f]{40})\t/.exec(entry) ?? [];
  return object === undefined || file.endsWith('/')
    ? null
    : git(['cat-file', 'blob', object], { maxBytes: maxFileBytes });
}

async function hashPaths({ git }: ProjectRepository, commit: string, files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of [...new Set(files)].sort()) {
    const entry = await git(['ls-tree', '--full-tree', checkCommit(commit), '--', file]);
    hash.update(`${JSON.stringify(file)} ${entry}\n`);
  }
  return hash.digest('hex');
}
