import { mkdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { demoConfig } from '../../src/config/fleet/demo.ts';
import { defaultFleetConfig } from '../../src/config/fleet/load.ts';
import { stateVersion } from '../../src/domain/state-version.ts';
import { createExec } from '../../src/lib/exec.ts';
import { type CliHome, createCliHome } from '../support/cli-home.ts';
import { until } from '../support/gateway-process.ts';

// The real program and its real daemon on a host that is full, closed, half there, or in somebody else's hands.
const exec = createExec();
let home: CliHome;

beforeEach(async () => {
  home = await createCliHome();
});
afterEach(() => home[Symbol.asyncDispose]());

const said = (run: { out: string; err: string }) => `${run.out}${run.err}`;

describe('a disk', () => {
  let disk: string;

  beforeEach(async () => {
    disk = join(home.root, 'state');
    await mkdir(disk);
    await exec(['mount', '-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', disk]);
  });
  afterEach(async () => {
    await home.cli('daemon', 'stop');
    // The gateway ends a little later than the daemon that told it to.
    const isUnmounted = async () => (await exec(['umount', disk], { okExitCodes: [0, 32] })).exitCode === 0;
    await until('the disk is let go', isUnmounted);
  });
  const fill = async () => {
    await exec(['dd', 'if=/dev/zero', `of=${join(disk, 'fill')}`, 'bs=1k'], { okExitCodes: [0, 1] });
  };
  const free = () => rm(join(disk, 'fill'));

  it('that is full costs no work: the daemon says so, lives, and goes on when there is room', async () => {
    const path = await home.repository('shop', { '.ralph/project.yaml': 'version: 1\nchecks: [{id: t, run: "true"}]' });
    expect((await home.cli('project', 'add', path)).code).toBe(0);
    expect((await home.cli('submit', 'before')).code).toBe(0);
    const pid = await home.daemonPid();
    await fill();
    // More than its log has room for.
    for (let n = 0; n < 10; n++) {
      const run = await home.cli('submit', 'meanwhile');
      expect(run).toMatchObject({ code: 1, err: expect.stringContaining('database or disk is full') });
      expect(run.err).toContain('free some space');
      expect(run.err).not.toContain('fault of ralph-fleet');
    }
    expect((await home.cli('status')).out).toContain('the disk of the state folder is full');
    expect((await home.cli('daemon', 'status')).out).toContain(`pid ${pid}`);
    await free();
    expect((await home.cli('submit', 'after')).out).toContain('T2 after');
    const { items } = JSON.parse((await home.cli('tasks', '--json')).out);
    expect(items.map((task: { title: string }) => task.title)).toEqual(['before', 'after']);
  });

  it('that is full when the daemon starts is named, and nothing that was there is lost', async () => {
    await home.cli('daemon', 'start');
    await home.cli('daemon', 'stop');
    await fill();
    const run = await home.cli('daemon', 'start');
    expect(run).toMatchObject({ code: 5, out: '' });
    expect(run.err).toMatch(/ENOSPC|is full/);
    expect(run.err).not.toMatch(/^\s+at /m);
    await free();
    expect((await home.cli('daemon', 'start')).code).toBe(0);
  });

  it('that is read-only is told with the folder, by `doctor` too', async () => {
    await exec(['mount', '-o', 'remount,ro', disk]);
    for (const command of [
      ['daemon', 'start'],
      ['submit', 'x'],
      ['project', 'list'],
    ]) {
      const run = await home.cli(...command);
      expect(run, command.join(' ')).toMatchObject({ code: 1, out: '' });
      expect(run.err).toContain(home.paths.logs);
      expect(run.err).toContain('EROFS');
    }
    expect((await home.cli('doctor', '--demo')).out).toContain(`\`${disk}\` cannot be written`);
  });
});

describe('a log that cannot be written', () => {
  it.each(['main', 'gateway-main'])('costs %s its lines, not its life', async (name) => {
    const entry = join(import.meta.dirname, `../../src/daemon/${name}.ts`);
    const shell = `exec '${process.execPath}' '${entry}' >/dev/full 2>&1`;
    const env = { ...home.env, RALPH_FLEET_LOG: 'debug', ANTHROPIC_API_KEY: 'sk-ant-none-at-all' };
    const stop = new AbortController();
    const run = exec(['sh', '-c', shell], { env, signal: stop.signal }).catch((error: Error) => error.name);
    const lock = name === 'main' ? home.paths.daemonLock : home.paths.gatewayLock;
    const socket = name === 'main' ? home.paths.daemonSocket : home.paths.gatewaySocket;
    const path = name === 'main' ? '/healthz' : '/v1/health';
    await expect.poll(() => statusOf(socket, 'GET', path), { timeout: 60_000 }).toBe(200);
    expect(await statusOf(socket, 'GET', '/nowhere')).toBe(404);
    expect(await readFile(`${lock}.pid`, 'utf8')).toMatch(/^\d+\n$/);
    stop.abort();
    expect(await run).toBe('AbortError');
  });
});

describe('the daemon’s socket', () => {
  it('answers requests that make no sense, and lives', async () => {
    await home.cli('daemon', 'start');
    const pid = await home.daemonPid();
    const ask = (path: string, headers = {}) => statusOf(home.paths.daemonSocket, 'GET', path, headers);
    const upgrade = { connection: 'Upgrade', upgrade: 'ralph-terminal' };
    expect(await ask('//')).toBe(400);
    expect(await ask('///x:99999/')).toBe(400);
    expect(await ask('/v1/tasks/%zz')).toBe(400);
    expect(await ask('/v1/ralphs/%zz/stream')).toBe(400);
    expect(await ask('/v1/ralphs/%zz/terminal', upgrade)).toBe(400);
    expect(await ask('//', upgrade)).toBe(400);
    expect(await ask('/v1/events?after=1e9')).toBe(400);
    expect((await home.cli('daemon', 'status')).out).toContain(`pid ${pid}`);
  });

  it('that is gone while the daemon lives is told with its process', async () => {
    await home.cli('daemon', 'start');
    const pid = await home.daemonPid();
    await rm(home.paths.daemonSocket);
    const run = await home.cli('daemon', 'start');
    expect(run.code).toBe(5);
    expect(run.err).toContain(`kill ${pid}`);
  });

  it('that is a folder is named', async () => {
    await mkdir(home.paths.daemonSocket, { recursive: true });
    await writeFile(join(home.paths.daemonSocket, 'x'), '');
    const run = await home.cli('daemon', 'start');
    expect(run).toMatchObject({ code: 5, err: expect.stringContaining('cannot be removed') });
    expect(run.err).toContain(`Move \`${home.paths.daemonSocket}\` away`);
    await rm(home.paths.daemonSocket, { recursive: true });
    await rmdir(home.paths.runtime);
  });

  it('in the hands of another program: `status` never calls it a daemon that does not run, a start takes it back', async () => {
    await mkdir(home.paths.runtime, { recursive: true });
    const stranger = await listen(home.paths.daemonSocket, 'garbage\r\n\r\n');
    try {
      const status = await home.cli('status');
      expect(status.code).toBe(5);
      expect(said(status)).not.toContain('does not run');
      const run = await home.cli('daemon', 'status');
      expect(run).toMatchObject({ code: 5, err: expect.stringContaining('does not answer as it should') });
      expect((await home.cli('daemon', 'start')).code).toBe(0);
      expect((await home.cli('daemon', 'status')).out).toContain(`pid ${await home.daemonPid()}`);
    } finally {
      await new Promise((resolve) => stranger.close(resolve));
    }
  });
});

describe('a state folder of a newer version', () => {
  it('is refused with the way back, by a start and by `doctor`, and left as it is', async () => {
    await home.cli('daemon', 'start');
    await home.cli('daemon', 'stop');
    const db = new DatabaseSync(home.paths.fleetDb);
    db.exec('PRAGMA wal_checkpoint(TRUNCATE); PRAGMA user_version = 99;');
    db.close();
    const before = await readFile(home.paths.fleetDb);
    await home.cli('daemon', 'start');
    const run = await home.cli('daemon', 'start');
    expect(run.code).toBe(5);
    // What this start said, not what the log holds of earlier ones.
    expect(run.err.match(/has version 99/g)).toHaveLength(1);
    expect(run.err).toContain(`fleet.db.v${stateVersion}.bak`);
    expect(run.err).not.toContain('{"level"');
    expect((await home.cli('doctor', '--demo')).out).toContain(`has layout 99; this version knows ${stateVersion}`);
    expect((await readFile(home.paths.fleetDb)).equals(before)).toBe(true);
  });
});

describe('a wrong fleet.yaml', () => {
  it('stops a start with every problem and where it stands', async () => {
    await mkdir(home.paths.config, { recursive: true });
    for (const [text, problem] of [
      ['version: 1\nvms: {cont: 2}', ':2:7 `vms.cont` is not a known key: did you mean `count`?'],
      ['version: 1\ndriver: nope', 'There is no driver `nope`.'],
      ['version: 1\nimage: {agents: [codex]}\nagent: {cli: codex}', '`image.agents` names `codex`'],
    ] as const) {
      await writeFile(home.paths.fleetYaml, text);
      const run = await home.cli('project', 'list');
      expect(run).toMatchObject({ code: 5, out: '', err: expect.stringContaining(problem) });
    }
    await rm(home.paths.fleetYaml);
    expect((await home.cli('project', 'list')).code).toBe(0);
  });
});

describe('two `up --demo` at once', () => {
  it('make one sample project with one task', async () => {
    await home.cli('daemon', 'start');
    const config = demoConfig(defaultFleetConfig());
    const up = () => home.client.call('fleetUp', { body: { config, demo: true } });
    await Promise.all([up(), up(), up()]);
    expect((await home.client.call('projects')).items.map(({ name }) => name)).toEqual(['demo']);
    expect((await home.client.call('tasks')).items.map(({ id }) => id)).toEqual(['T1']);
    await home.client.call('fleetDown', { body: { delete: true } });
  });
});

describe('virsh', () => {
  it.each([
    ['missing', null],
    ['failing', 'echo "error: boom" >&2; exit 1'],
    ['printing half', 'case "$*" in *version*) echo 11.3.0;; *) printf "<domainsnap";; esac'],
    ['printing garbage', 'printf "\\377\\000garbage"'],
  ])('%s: `status` says that nothing is known, `doctor` what to do', async (_, script) => {
    if (script === null) await rm(join(home.root, 'bin/virsh'));
    else await home.putTool('virsh', script);
    await home.cli('daemon', 'start');
    const { problems } = JSON.parse((await home.cli('status', '--json')).out);
    expect(problems).toMatchObject([
      { what: expect.stringContaining('the driver does not answer'), remedy: 'ralph-fleet doctor' },
    ]);
    expect((await home.cli('status')).out).toContain('nothing is known of the VMs');
    const doctor = await home.cli('doctor', '--demo');
    expect(doctor.code).toBe(4);
    expect(doctor.out).toMatch(/✗ driver /);
  });
});

function statusOf(socketPath: string, method: string, path: string, headers = {}): Promise<number | null> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, method, path, headers, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? null);
    });
    asked.on('error', () => resolve(null));
    asked.end();
  });
}

async function listen(path: string, answer: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.resume().end(answer);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}
