import { mkdir, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createExec } from '../../src/lib/exec.ts';
import { cli } from '../fixtures/cli-run.ts';
import { type FakeDaemon, startFakeDaemon } from '../fixtures/fake-daemon.ts';
import { ago, busyFleet, commit, taskRow } from '../fixtures/views.ts';
import { type CliHome, createCliHome, nodeFlags } from '../support/cli-home.ts';

// What a person, a script or a bad editor hands in: each gets a clear error and the right exit code, or is handled.
const exec = createExec();
const bin = join(import.meta.dirname, '../../src/cli/bin.js');
const ended = taskRow('T3', 'ended', { phase: 'merged', state: 'ended' });
const check = { id: 'test', description: 'test', run: 'npm test', timeoutSeconds: 600 };
const project = {
  name: 'shop-api',
  path: '/x/shop-api',
  branch: 'main',
  settings: { setup: null, protected: [], checks: [check], registries: [], packages: [], services: [] },
  settingsFrom: null,
  remote: null,
  addedAt: ago(0),
};

describe('a file handed in', () => {
  let daemon: FakeDaemon;
  const at = (name: string) => join(daemon.folder, name);
  const put = async (name: string, content: string | Uint8Array) => {
    await writeFile(at(name), content);
    return at(name);
  };
  const submitted = () => daemon.calls.filter((call) => call.name === 'taskSubmit').map((call) => call.body);

  beforeEach(async () => {
    daemon = await startFakeDaemon({
      projects: () => ({ items: [project], next: null }),
      taskSubmit: () => ({ tasks: [{ id: 'T50', ref: null, title: 'x' }] }),
    });
  });
  afterEach(() => daemon[Symbol.asyncDispose]());

  it.each<[string, string | Uint8Array, number, string]>([
    ['half.json', '{"title": "x", ', 2, 'ends too early'],
    ['latin1.md', Buffer.from('# Mend it\n\ncaf\xe9\n', 'latin1'), 2, 'is not UTF-8 text: byte 15 (line 3)'],
    ['utf16.json', Buffer.from('\ufeff{"title": "x"}', 'utf16le'), 2, 'is not UTF-8 text'],
    ['zero.json', '{"title": "x", "description": "\\u0000"}', 2, '`description` holds a zero byte'],
    ['raw-zero.json', '{"title": "\0"}', 2, 'is not valid JSON here'],
    ['deep.json', `{"title": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 2, '`title` is a list'],
    ['twice.json', '{"title": "x", "title": "y"}', 2, 'has the same key twice'],
    ['proto.json', '{"__proto__": {"title": "x"}}', 2, '`__proto__` is not a known key'],
    ['empty.md', '', 2, 'is empty'],
    ['blank.md', ' \n\t\n', 2, 'is empty'],
    ['large.json', `{"title": "${'x'.repeat(600_000)}"}`, 2, 'at most 512 KiB are read'],
  ])('%s is refused with what is wrong', async (name, content, code, message) => {
    const run = await cli(daemon, ['submit', await put(name, content)]);
    expect(run).toMatchObject({ code, out: '' });
    expect(run.err).toContain(message);
    expect(run.err).not.toMatch(/\n\s+at /);
    expect(submitted()).toEqual([]);
  });

  it('that is none, or 200 MB, is refused at once; what only looks like a path is never taken for words', async () => {
    await put('big.json', '');
    await truncate(at('big.json'), 200 * 1024 * 1024);
    await mkdir(at('folder.json'));
    await symlink('loop', at('loop'));
    await symlink('nowhere', at('dangling.md'));
    for (const [name, code, message] of [
      ['big.json', 2, 'is larger than 4096 KiB'],
      ['folder.json', 3, 'it is no file'],
      ['loop', 3, 'ELOOP'],
      ['dangling.md', 3, 'there is no such file'],
      ['tasks/missing', 3, 'there is no such file'],
    ] as const) {
      const run = await cli(daemon, ['submit', at(name)]);
      expect(run, name).toMatchObject({ code, err: expect.stringContaining(message) });
    }
    const two = await cli(daemon, ['submit', 'a.json', 'b.json']);
    expect(two).toMatchObject({ code: 2, err: expect.stringContaining('Cannot hand in 2 files at once') });
    expect(submitted()).toEqual([]);
    expect((await cli(daemon, ['submit', 'mend README.md, b.json and $(id)'])).code).toBe(0);
    expect(submitted()).toMatchObject([{ drafts: [{ title: 'mend README.md, b.json and $(id)' }] }]);
  });

  it('says on stderr what it asks for and does not get, and hands the rest in', async () => {
    const file = await put(
      'ralph.json',
      JSON.stringify({
        repository: { url: 'https://example.org/x', branch: 'release', workingDir: 'packages/api' },
        git: { createPr: true },
        execution: { mode: 'sequential', race: 3 },
        title: 'x',
        acceptance_criteria: [{ id: 'test', backpressure: 'npm run other' }],
        budget: { max_tokens: 9, max_api_calls: 7, max_duration_ms: 5000 },
      }),
    );
    const run = await cli(daemon, ['submit', file, '--json']);
    expect(run.code).toBe(0);
    expect(JSON.parse(run.out)).toEqual({ tasks: [{ id: 'T50', ref: null, title: 'x' }] });
    for (const path of ['repository.url', 'repository.branch', 'git.createPr', 'execution.race'])
      expect(run.err).toContain(`\`${path}\` has no effect yet: `);
    expect(run.err.match(/has no effect yet/g)).toHaveLength(4);
    expect(run.err).toContain('own check `test` takes the place of the project’s');
    expect(submitted()).toMatchObject([
      { drafts: [{ limits: { maxTokens: 9, maxCalls: 7, maxDurationMs: 5000 }, checks: [{ run: /packages\/api/ }] }] },
    ]);
  });
});

describe('fleet.yaml', () => {
  it('that is a folder, no text or without effect in places is told before anything starts', async () => {
    await using daemon = await startFakeDaemon({ fleetUp: () => ({ message: '', changed: true, task: null }) });
    const file = join(daemon.folder, 'fleet.yaml');
    const up = (env = {}) => cli(daemon, ['up', '--no-wait', '--config', file], { env });
    await mkdir(file);
    expect(await up()).toMatchObject({ code: 2, err: expect.stringContaining('it is a folder') });
    await exec(['rmdir', file]);
    await writeFile(file, Buffer.from('version: 1\nname: caf\xe9\n', 'latin1'));
    expect(await up()).toMatchObject({ code: 2, err: expect.stringContaining('is not UTF-8 text: byte 21 (line 2)') });
    expect(daemon.calls).toEqual([]);
    await writeFile(file, 'version: 1\nintegrate: {mode: pr}\negress: {allow: [example.org]}\n');
    const run = await up();
    expect(run.code).toBe(0);
    expect(run.err).toContain(':2:13 `integrate.mode` has no effect yet: no pull request is made');
    expect(run.err).toContain(':3:10 `egress.allow` has no effect yet');
  });

  it('is the usual one where RALPH_FLEET_CONFIG is empty', async () => {
    await using daemon = await startFakeDaemon({ fleetUp: () => ({ message: '', changed: true, task: null }) });
    expect((await cli(daemon, ['up', '--no-wait'], { env: { RALPH_FLEET_CONFIG: '' } })).code).toBe(0);
    expect((await cli(daemon, ['up', '--no-wait'], { env: { RALPH_FLEET_CONFIG: '/nowhere' } })).code).toBe(3);
  });
});

describe('a command line', () => {
  it('of any kind gets an answer: never a stack, never a colour code of its own', async () => {
    await using daemon = await startFakeDaemon({
      fleet: busyFleet,
      tasks: ({ query }) => ({ items: query['project'] ? [] : busyFleet().tasks, next: null }),
      ralphs: () => ({ items: busyFleet().ralphs, next: null }),
      projects: () => ({ items: [project], next: null }),
    });
    const long = 'x'.repeat(100_000);
    for (const [words, code] of [
      [['--wat'], 2],
      [['--config'], 2],
      [['--config', 'x.yaml'], 2],
      [['--yes'], 2],
      [[long], 2],
      [['stat\x1b[31mus\n'], 2],
      [['status', 'extra'], 2],
      [['status', `--${long}`], 2],
      [['why', '../../etc/passwd'], 3],
      [['why', 'T1; rm -rf /'], 3],
      [['why', ''], 3],
      [['why', long], 3],
      [['logs', '$(id)'], 3],
      [['project', 'remove', '../..'], 3],
      [['task', 'prioritize', 'T1', 'Ünïcode'], 2],
      [['wait', 'T1', '--timeout', '1e9'], 2],
      [['wait', 'T1', '--for', ''], 2],
      [['tasks', '--state', 'a,b'], 2],
      [['tasks', '--project', 'nope'], 3],
      [['schema', '__proto__'], 3],
      [['completion', 'constructor'], 2],
      [['help', 'toString'], 2],
    ] as [string[], number][]) {
      const run = await cli(daemon, words);
      expect(run, words.join(' ').slice(0, 60)).toMatchObject({ code, out: '' });
      expect(run.err).not.toContain('\x1b');
      expect(run.err).not.toMatch(/\n\s+at /);
      expect(run.err.length).toBeLessThan(2000);
    }
  });

  it('that removes everything names what is not begun, too, and wants a person', async () => {
    await using daemon = await startFakeDaemon({
      tasks: () => ({ items: [taskRow('T1', 'saved'), taskRow('T2', 'not begun'), ended], next: null }),
      fleetPurge: () => ({
        purged: false,
        unmerged: [{ task: 'T1', title: 'saved', phase: 'ready', commit }],
        paths: [],
      }),
    });
    const run = await cli(daemon, ['purge']);
    expect(run).toMatchObject({ code: 4, out: '' });
    expect(run.err).toContain('1 task would be lost with unmerged work');
    expect(run.err).toContain('1 task not begun would be forgotten: T2\n');
    expect(daemon.calls.map(({ body }) => body)).not.toContainEqual({ confirmed: true });
  });

  it('with --config for a command that goes by the daemon’s is told so', async () => {
    await using daemon = await startFakeDaemon({ fleet: busyFleet });
    const run = await cli(daemon, ['status', '--config', '/nowhere.yaml', '--json']);
    expect(run).toMatchObject({ code: 0, err: expect.stringContaining('`--config` has no effect on `status`') });
    expect(JSON.parse(run.out)).toEqual(busyFleet());
  });

  it('asks for help of a command in a group too', async () => {
    await using daemon = await startFakeDaemon({});
    expect((await cli(daemon, ['help', 'task', 'show'])).out).toContain('ralph-fleet task show T41');
    expect((await cli(daemon, ['help', 'task', 'show'])).out).not.toContain('prioritize');
    expect((await cli(daemon, ['help', 'status'])).out).toContain('--exit-code');
  });
});

describe('the terminal', () => {
  let home: CliHome;
  const argv = (...words: string[]) =>
    [process.execPath, ...nodeFlags, bin, ...words].map((word) => `'${word}'`).join(' ');
  beforeEach(async () => {
    home = await createCliHome();
  });
  afterEach(() => home[Symbol.asyncDispose]());

  const shell = async (script: string) => {
    const run = await exec(['sh', '-c', script], { env: home.env, okExitCodes: [0, 1, 2, 3, 4, 5] });
    return { code: run.exitCode, out: run.stdout, err: run.stderr };
  };
  const tmux = async (...words: string[]) => (await exec(['tmux', ...words], { env: home.env })).stdout;
  const screen = () => tmux('capture-pane', '-p', '-t', 't');
  const open = (command: string, columns = 80, rows = 30) =>
    tmux(
      'new-session',
      '-d',
      '-s',
      't',
      '-x',
      String(columns),
      '-y',
      String(rows),
      `trap : INT; ${command}; echo "ended $?"; sleep 600`,
    );

  it('that takes nothing more is an error, a reader that has enough is none', async () => {
    expect(await shell(`${argv('help')} >/dev/full`)).toMatchObject({
      code: 1,
      err: expect.stringContaining('ENOSPC'),
    });
    expect((await shell(`${argv('nope')} 2>/dev/full`)).code).toBe(2);
    expect(await shell(`{ ${argv('schema', 'fleet')}; echo "ended $?" >&2; } | true`)).toMatchObject({
      err: 'ended 0\n',
    });
  });

  it('leads out of everything by ctrl-C: 130, and nothing was done', async () => {
    const path = await home.repository('shop', { 'a.txt': '' });
    await home.cli('daemon', 'start');
    for (const [words, seen] of [
      [['submit', '-'], 'ctrl-D'],
      [['project', 'add', path], 'Use these?'],
      [['status', '--watch'], 'Problems'],
      [['attach', '--pane', 'implementer-1'], 'shows nothing'],
    ] as [string[], string][]) {
      await open(argv(...words));
      await expect.poll(screen, { timeout: 60_000 }).toContain(seen);
      await tmux('send-keys', '-t', 't', 'C-c');
      await expect.poll(screen, { timeout: 60_000 }).toContain('ended 130');
      await tmux('kill-server');
    }
    expect((await home.client.call('projects')).items).toEqual([]);
  });

  it('of 20 columns and a few rows shows the watched status without wrapping or scrolling', async () => {
    await home.cli('daemon', 'start');
    await open(argv('status', '--watch', '--no-color'), 20, 8);
    await expect.poll(screen, { timeout: 60_000 }).toContain('RALPH');
    const lines = (await screen()).split('\n');
    expect(lines[0]).toMatch(/^The fleet is down\./);
    expect(lines.filter((line) => line.includes('RALPH'))).toHaveLength(1);
  });

  it('with a relative place in its environment gets an error, not a second home', async () => {
    const run = await shell(`cd '${home.root}'; XDG_STATE_HOME=here ${argv('daemon', 'start')}`);
    expect(run).toMatchObject({ code: 2, err: expect.stringContaining('`XDG_STATE_HOME` is `here`') });
    expect(run.err).not.toMatch(/\n\s+at /);
    await expect(readdir(join(home.root, 'here'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('that is none asks nothing and says which flag answers', async () => {
    const path = await home.repository('shop', { 'a.txt': '' });
    const run = await home.cli('project', 'add', path);
    expect(run).toMatchObject({ code: 4, err: expect.stringContaining(`ralph-fleet project add ${path} --yes`) });
  });
});

describe('a project', () => {
  let home: CliHome;
  beforeEach(async () => {
    home = await createCliHome();
  });
  afterEach(() => home[Symbol.asyncDispose]());

  it('that cannot be worked on is refused with what to do', async () => {
    const shop = await home.repository('shop', { 'a.txt': '' });
    const at = (name: string) => join(home.root, name);
    await mkdir(at('plain'));
    await home.git(home.root, 'init', '-q', at('empty'));
    await home.git(home.root, 'clone', '-q', '--depth', '1', `file://${shop}`, at('shallow'));
    await home.git(home.root, 'clone', '-q', shop, at('detached'));
    await home.git(at('detached'), 'checkout', '-q', '--detach');
    const wrong = { '.ralph/project.yaml': 'version: 1\ncheks: []\nsetup: {rum: x}' };
    for (const [words, code, message] of [
      [[at('nowhere')], 4, 'There is no such folder.'],
      [[join(shop, 'a.txt')], 4, 'There is no such folder.'],
      [[at('plain')], 4, 'It is no git repository.'],
      [[at('empty')], 4, 'It has no commit yet.'],
      [[at('shallow')], 4, 'fetch --unshallow'],
      [[at('detached')], 4, '--branch main'],
      [[shop, '--branch', 'nowhere'], 3, 'no commit on a branch `nowhere`'],
      [[shop, '--branch', '--upload-pack=touch x'], 3, 'no commit on a branch'],
      [[shop, '--name', '../../evil'], 2, 'cannot be the name of a project'],
      [[await home.repository('wrong', wrong)], 2, 'did you mean `checks`?'],
    ] as [string[], number, string][]) {
      const run = await home.cli('project', 'add', ...words, '--yes');
      expect(run, words.join(' ')).toMatchObject({ code, out: '', err: expect.stringContaining(message) });
    }
    expect((await home.client.call('projects')).items).toEqual([]);
  });

  it('that is dirty, or asks for what it does not get, is added, and says so', async () => {
    const settings = 'version: 1\nregistries: [npm, crates]\nchecks: [{id: t, run: "true"}]\n';
    const shop = await home.repository('shop', { '.ralph/project.yaml': settings });
    await writeFile(join(shop, 'new.txt'), '');
    const run = await home.cli('project', 'add', shop);
    expect(run.code).toBe(0);
    expect(run.err).toContain('.ralph/project.yaml:2:19 `registries[1]` is');
    expect(run.err).toContain('It has uncommitted changes: no Ralph sees them');
    expect(await home.git(shop, 'status', '--short')).toBe('?? new.txt');
  });
});
