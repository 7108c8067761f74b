import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CliDeps, Context, Globals } from '../../src/cli/frame/command.ts';
import { createContext } from '../../src/cli/frame/context.ts';
import { createIo } from '../../src/cli/frame/io.ts';
import { keepWindows, openWriteWindow } from '../../src/cli/terminal/windows.ts';
import { ensureDaemon } from '../../src/client/ensure-daemon.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec } from '../../src/lib/exec.ts';
import { resolvePaths } from '../../src/lib/paths.ts';

let folder: string;
let env: Record<string, string>;
const clock = createSystemClock();
const exec = createExec();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rf-cli-'));
  env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_RUNTIME_DIR: join(folder, 'run'),
    TMUX_TMPDIR: folder,
    TERM: 'xterm',
  };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('ensureDaemon', () => {
  const entry = join(import.meta.dirname, '../fixtures/tiny-daemon.ts');

  it('starts one daemon however many ask at once, and finds it again', async () => {
    const deps = { paths: resolvePaths(env), clock, env, entry };
    const stages: string[] = [];
    const ready = await Promise.all([
      ensureDaemon({ ...deps, onStage: (stage) => stages.push(stage) }),
      ensureDaemon(deps),
    ]);
    const pid = ready[0]?.pid ?? 0;
    try {
      expect(ready[1]?.pid).toBe(pid);
      expect(stages[0]).toBe('starting');
      expect((await ensureDaemon({ ...deps, entry: '/nowhere' })).pid).toBe(pid);
    } finally {
      process.kill(pid);
    }
  });

  it('says what a daemon that ends at once left in its log', async () => {
    const bad = join(folder, 'bad.ts');
    await writeFile(bad, 'console.error("the state folder is of a newer version"); process.exit(3);');
    const paths = resolvePaths(env);
    await expect(ensureDaemon({ paths, clock, env, entry: bad })).rejects.toMatchObject({
      code: 'daemon_unavailable',
      message: expect.stringContaining('the state folder is of a newer version'),
    });
    expect(await readFile(join(paths.logs, 'daemon.log'), 'utf8')).toContain('newer version');
  });

  it('names the log it cannot write', async () => {
    await writeFile(join(folder, 'state'), 'a file where a folder should be');
    const started = ensureDaemon({ paths: resolvePaths(env), clock, env, entry });
    await expect(started).rejects.toMatchObject({ code: 'storage', message: expect.stringContaining('daemon.log') });
  });
});

describe('the tmux session', () => {
  const globals: Globals = {
    json: false,
    fields: [],
    debug: false,
    ascii: false,
    noColor: false,
    config: null,
    yes: false,
  };

  function context(self: string[]): Context {
    const deps: CliDeps = {
      io: createIo(new AbortController()),
      env,
      paths: resolvePaths(env),
      clock,
      signal: new AbortController().signal,
      version: () => '0',
      self,
      preflight: null,
    };
    return createContext(deps, globals, []);
  }
  const tmux = async (...args: string[]) => (await exec(['tmux', ...args], { env })).stdout;
  const windows = async () =>
    (await tmux('list-windows', '-t', '=ralph-fleet:', '-F', '#{window_name}')).trim().split('\n').toSorted();
  afterEach(() => exec(['tmux', 'kill-server'], { env, okExitCodes: [0, 1] }));

  it('has one window per Ralph, keeps in step, and passes no name to a shell', async () => {
    const asleep = context(['sh', '-c', 'echo "$XDG_STATE_HOME" "$@" >>"$HOME/started"; exec sleep 600', 'self']);
    expect(await keepWindows(asleep, ['implementer-1', 'reviewer-1', '$(touch x)', 'a:b'])).toBe(true);
    expect(await windows()).toEqual(['fleet', 'implementer-1', 'reviewer-1']);
    const many = ['implementer-1', ...Array.from({ length: 6 }, (_, n) => `implementer-${n + 2}`)];
    await Promise.all([keepWindows(asleep, many), keepWindows(asleep, many), keepWindows(asleep, many)]);
    expect(await windows()).toEqual(['fleet', ...many]);
    await keepWindows(asleep, ['implementer-1', 'implementer-2']);
    expect(await windows()).toEqual(['fleet', 'implementer-1', 'implementer-2']);
    await openWriteWindow(asleep, 'implementer-1');
    await openWriteWindow(asleep, 'implementer-1');
    expect(await windows()).toEqual(['fleet', 'implementer-1', 'implementer-1!', 'implementer-2']);
    const started = () => readFile(join(folder, 'started'), 'utf8').then((text) => text.trim().split('\n').toSorted());
    await expect
      .poll(started, { timeout: 10_000 })
      .toContain(`${env['XDG_STATE_HOME']} attach --pane implementer-1 --write`);
    expect((await tmux('show-options', '-wv', '-t', '=ralph-fleet:=implementer-1', 'remain-on-exit')).trim()).toBe(
      'on',
    );
  });

  it('stays although what runs in it ends', async () => {
    await keepWindows(context(['false']), ['implementer-1']);
    await expect.poll(windows, { timeout: 10_000 }).toEqual(['fleet', 'implementer-1']);
  });

  it('is left out where there is no tmux', async () => {
    env = { ...env, PATH: folder };
    expect(await keepWindows(context(['sh']), ['implementer-1'])).toBe(false);
    env = { ...env, PATH: process.env['PATH'] ?? '' };
  });
});
