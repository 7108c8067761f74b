import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ProjectRef } from '../../src/changes/changes.ts';
import { createChanges } from '../../src/changes/create-changes.ts';
import type { ImportLimits } from '../../src/changes/quarantine.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { baseEnvironment, createExec } from '../../src/lib/exec.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { createSystemRandom } from '../../src/lib/random.ts';

const exec = createExec();
const root = join(import.meta.dirname, '../..');

/** jj as users get it. */
export async function installJj(): Promise<string> {
  const { stdout } = await exec([join(root, 'scripts/install-jj')], { timeoutMs: 300_000 });
  return stdout.trim().split('\n').at(-1) ?? 'jj';
}

export interface Kit extends AsyncDisposable {
  folder: string;
  project: ProjectRef;
  base: string;
  userEnv: Record<string, string>;
  changes: ReturnType<typeof createChanges>;
  /** git in the user's checkout. */
  user: (...args: string[]) => Promise<string>;
  host: (...args: string[]) => Promise<string>;
  jjLog: (template: string) => Promise<string[]>;
  /** A workspace as a guest has it, on the base. */
  workspace: (name?: string) => Promise<Workspace>;
}

export interface Workspace {
  folder: string;
  git: (...args: string[]) => Promise<string>;
  write: (path: string, text: string | Uint8Array) => Promise<void>;
  /** A bundle of all files as they are now (as ralph-save), or of `commit`. */
  bundle: (commit?: string) => Promise<string>;
}

export async function createKit(jj: string, limits: Partial<ImportLimits> = {}): Promise<Kit> {
  const folder = await mkdtemp(join(tmpdir(), 'rf-changes-'));
  const home = join(folder, 'home');
  const checkout = join(folder, 'user checkout');
  await mkdir(home);
  await mkdir(checkout);
  const userEnv = { ...baseEnvironment(), HOME: home, XDG_CONFIG_HOME: join(home, '.config') };
  await writeFile(join(home, '.gitconfig'), '[user]\n\tname = Ada Lövelace\n\temail = ada@example.org\n');
  const gitIn =
    (cwd: string) =>
    async (...args: string[]) =>
      (await exec(['git', ...args], { cwd, env: userEnv })).stdout.trim();
  const user = gitIn(checkout);
  await user('init', '-q', '-b', 'main');
  const files = { 'a.txt': 'one\ntwo\nthree\n', 'src/code.js': 'export const n = 1;\n', 'test/code.test.js': 'ok\n' };
  for (const [path, text] of Object.entries({ ...files, '.gitignore': '*.log\n' })) {
    await mkdir(dirname(join(checkout, path)), { recursive: true });
    await writeFile(join(checkout, path), text);
  }
  await user('add', '-A');
  await user('commit', '-q', '-m', 'first');
  const repos = join(folder, 'state/repos');
  const changes = createChanges({
    exec,
    paths: { repos, tools: join(folder, 'no-tools') },
    clock: createSystemClock(),
    random: createSystemRandom(),
    log: createSilentLog(),
    jj,
    userEnv,
    limits,
  });
  const project = { name: 'shop', path: checkout, branch: 'main' };
  const base = (await changes.sync(project)).tip;
  const host = gitIn(join(repos, 'shop/git'));
  const jjLog = async (template: string) => {
    const argv = [
      jj,
      '--repository',
      join(repos, 'shop/jj'),
      '--ignore-working-copy',
      '--no-pager',
      'log',
      '--no-graph',
    ];
    const out = await exec([...argv, '-r', 'bookmarks()', '-T', `${template} ++ "\\n"`], {
      env: { ...userEnv, JJ_CONFIG: join(repos, 'shop/jj.toml') },
    });
    return out.stdout.trim().split('\n');
  };
  const workspace = async (name = 'ws') => {
    const at = join(folder, name);
    const seed = await changes.bundle('shop', base);
    await exec(['git', 'init', '-q', '-b', 'work', at], { env: userEnv });
    const git = gitIn(at);
    await git('bundle', 'unbundle', seed);
    await git('reset', '-q', '--hard', base);
    const write = async (path: string, text: string | Uint8Array) => {
      await mkdir(dirname(join(at, path)), { recursive: true });
      await writeFile(join(at, path), text);
    };
    let n = 0;
    const bundle = async (commit?: string) => {
      const file = join(folder, `${name}-${n++}.bundle`);
      let saved = commit;
      if (saved === undefined) {
        await git('add', '-A');
        const parent = await git('rev-parse', 'HEAD');
        saved = await git('commit-tree', await git('write-tree'), '-p', parent, '-m', 'Saved by ralph-fleet');
      }
      await git('update-ref', 'refs/ralph/saved', saved);
      await git('bundle', 'create', '-q', file, 'refs/ralph/saved', `^${base}`);
      return file;
    };
    return { folder: at, git, write, bundle };
  };
  const dispose = () => rm(folder, { recursive: true, force: true });
  return { folder, project, base, userEnv, changes, user, host, jjLog, workspace, [Symbol.asyncDispose]: dispose };
}

/** What must hold after every call: each bookmark is one visible change without conflict or divergence. */
export async function oneChangePerTask(kit: Kit): Promise<string[]> {
  const lines = await kit.jjLog('change_id ++ " " ++ if(divergent, "divergent", "-") ++ if(conflict, "conflict", "-")');
  const odd = lines.filter((line) => !line.endsWith(' --'));
  if (odd.length > 0) throw new Error(`jj shows ${odd.join(', ')}`);
  const conflicted = await kit.jjLog('bookmarks.map(|b| if(b.conflict(), "conflict", "")).join("")');
  if (conflicted.join('') !== '') throw new Error('a bookmark is conflicted');
  return lines.map((line) => line.split(' ')[0] ?? '');
}

export const fileOf = (kit: Kit, path: string) => readFile(join(kit.project.path, path), 'utf8');
