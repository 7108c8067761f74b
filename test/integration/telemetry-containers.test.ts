import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec } from '../../src/lib/exec.ts';
import { connectEngine } from '../../src/stack/containers/engine.ts';
import { readImages } from '../../src/stack/containers/images.ts';
import { createContainers } from '../../src/stack/containers/runner.ts';
import { isFreePort } from '../../src/stack/ports.ts';
import { type ServiceStatus, stackDown, stackUp } from '../../src/stack/stack.ts';
import { stackFolders } from '../../src/stack/state.ts';
import { type CliHome, createCliHome } from '../support/cli-home.ts';
import { startEngine, type TestEngine } from '../support/engine.ts';
import { until } from '../support/gateway-process.ts';
import { importImages } from '../support/stack-images.ts';

// The stack as containers of a real engine. Prometheus is the real one; see stack-images.ts for the others.
let engine: TestEngine;
let home: CliHome;
let images: string;

interface Said {
  ran: { name: string; how: string; url: string; found: { text: string; problem: string | null } }[];
}

// Only root can start an engine.
const isRoot = process.getuid?.() === 0;

beforeAll(async () => {
  if (!isRoot) return;
  engine = await startEngine();
  images = join(engine.folder, 'images.json');
  await writeFile(images, JSON.stringify(await importImages(engine.docker, engine.folder)));
  home = await createCliHome({ DOCKER_HOST: `unix://${engine.socket}` });
});
afterAll(async () => {
  await home?.[Symbol.asyncDispose]();
  await engine?.[Symbol.asyncDispose]();
});

const bin = join(import.meta.dirname, '../../src/cli/bin.js');
const up = () => home.cli('telemetry', 'up', '--images', images, '--json');
const last = (out: string): Said => JSON.parse(out.trim().split('\n').at(-1) ?? '');
const containers = async (): Promise<Record<string, { id: string; state: string }>> => {
  const all = await engine.docker.listContainers({ all: true });
  return Object.fromEntries(
    all.map((one) => [one.Labels['dev.ralph-fleet.service'], { id: one.Id, state: one.State }]),
  );
};

describe.skipIf(!isRoot)('telemetry up, with containers', () => {
  it('starts four, closed to all but this machine, and finds them again', async () => {
    const first = await up();
    expect(first.code, first.out + first.err).toBe(0);
    const said = last(first.out);
    expect(said.ran.map((one) => [one.name, one.how])).toEqual([
      ['prometheus', 'started'],
      ['loki', 'started'],
      ['tempo', 'started'],
      ['grafana', 'started'],
    ]);
    for (const one of said.ran) expect(one.found.problem, one.name).toBe(null);
    const before = await containers();
    for (const { id } of Object.values(before)) {
      const { HostConfig, Config } = await engine.docker.getContainer(id).inspect();
      expect(HostConfig).toMatchObject({
        NetworkMode: 'host',
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        Privileged: false,
      });
      expect(JSON.stringify(Config)).not.toContain((await home.cli('telemetry', 'password')).out.trim());
    }
    expect((await stat(join(home.paths.telemetry, 'grafana-password'))).mode & 0o777).toBe(0o600);
    expect((await stat(home.paths.telemetry)).mode & 0o777).toBe(0o700);
    const again = last((await up()).out);
    expect(again.ran.map((one) => one.how)).toEqual(['left', 'left', 'left', 'left']);
    expect(await containers()).toEqual(before);
  });

  it('what it tells people: status, and the password that only they have', async () => {
    const status = await home.cli('telemetry', 'status', '--json');
    expect(status.code, status.out).toBe(0);
    const said = JSON.parse(status.out);
    expect(said).toMatchObject({ mode: 'containers', ok: true });
    const shown = said.services.map(({ name, ready, dataBytes }: ServiceStatus) => [name, ready, typeof dataBytes]);
    expect(shown).toEqual([
      ['prometheus', true, 'number'],
      ['loki', true, 'number'],
      ['tempo', true, 'number'],
      ['grafana', true, 'number'],
    ]);
    const { grafana } = JSON.parse(await readFile(home.paths.telemetryEndpoints, 'utf8'));
    expect((await fetch(`${grafana.url}/api/search`)).status).toBe(401);
    const rules = await fetch(`${said.services[0].url}/api/v1/rules`).then((answer) => answer.json());
    expect(JSON.stringify(rules)).toContain('RalphFleetDown');
    expect((await home.cli('purge', '--yes')).err).toContain('ralph-fleet telemetry down --purge');
  });

  it('a container that was removed, one that was stopped: up brings back just those, with their data', async () => {
    const before = await containers();
    await engine.docker.getContainer(before['loki']?.id ?? '').remove({ force: true });
    await engine.docker.getContainer(before['tempo']?.id ?? '').stop();
    const down = await home.cli('telemetry', 'status', '--json');
    expect(down.code).toBe(5);
    const said = last((await up()).out);
    expect(said.ran.map((one) => [one.name, one.how])).toEqual([
      ['prometheus', 'left'],
      ['loki', 'started'],
      ['tempo', 'started'],
      ['grafana', 'left'],
    ]);
    // The stand-in counts its starts in its volume.
    expect(said.ran[1]?.found.text).toBe('2 lines in the last hour');
  });

  it('killed in the middle: the next up goes on', async () => {
    for (const { id } of Object.values(await containers()))
      await engine.docker.getContainer(id).remove({ force: true });
    const argv = [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      bin,
      'telemetry',
      'up',
      '--images',
      images,
    ];
    const child = spawn(argv[0] ?? '', argv.slice(1), { env: home.env, stdio: 'ignore' });
    const ended = once(child, 'exit');
    await until('the first container is there', async () => Object.keys(await containers()).length > 0);
    child.kill('SIGKILL');
    await ended;
    const again = await up();
    expect(again.code, again.out).toBe(0);
    expect(Object.values(await containers()).map(({ state }) => state)).toEqual([
      'running',
      'running',
      'running',
      'running',
    ]);
  });

  it('an image that cannot be pulled is an error, though the engine’s answer was 200', async () => {
    const wrong = join(engine.folder, 'wrong.json');
    const all = JSON.parse(await readFile(images, 'utf8'));
    await writeFile(wrong, JSON.stringify({ ...all, tempo: `127.0.0.1:9/no/such:1@sha256:${'0'.repeat(64)}` }));
    const run = await home.cli('telemetry', 'up', '--images', wrong);
    expect(run.code).toBe(1);
    expect(run.err).toContain('The image of Tempo could not be pulled');
    expect(run.err).toContain('--images FILE');
    await writeFile(wrong, '{"prometheus": "x y"}');
    expect((await home.cli('telemetry', 'up', '--images', wrong)).code).toBe(2);
  });

  it('a foreign container of that name is left alone', async () => {
    const { loki } = await containers();
    const { Name } = await engine.docker.getContainer(loki?.id ?? '').inspect();
    await engine.docker.getContainer(loki?.id ?? '').remove({ force: true });
    const foreign = await engine.docker.createContainer({ name: Name.slice(1), Image: 'stack-loki:test' });
    const run = await up();
    expect(run.code).toBe(4);
    expect(last(run.out)).toMatchObject({ error: { code: 'refused' } });
    await foreign.inspect();
    await foreign.remove({ force: true });
    expect((await up()).code).toBe(0);
  });

  it('down leaves only the data; --purge that neither', async () => {
    expect((await home.cli('telemetry', 'down')).out).toContain('Ended: Grafana, Tempo, Loki, Prometheus.');
    expect(await containers()).toEqual({});
    expect((await engine.docker.listVolumes()).Volumes).toHaveLength(4);
    await expect(stat(home.paths.telemetryEndpoints)).rejects.toThrow('ENOENT');
    expect((await home.cli('telemetry', 'status')).code).toBe(5);
    expect((await home.cli('telemetry', 'down', '--purge')).code).toBe(4); // it asks
    expect((await home.cli('telemetry', 'down', '--purge', '--yes')).out).toContain('Its data is removed.');
    expect((await engine.docker.listVolumes()).Volumes ?? []).toEqual([]);
    expect((await readdir(home.paths.telemetry)).filter((name) => !name.startsWith('stack.lock'))).toEqual([]);
  });
});

describe('an engine that is not there', () => {
  it('is said, with what to do', async () => {
    const away = await createCliHome({ DOCKER_HOST: 'unix:///nowhere/docker.sock' });
    try {
      const run = await away.cli('telemetry', 'up');
      expect(run.code).toBe(5);
      expect(run.err).toContain('The container engine at `/nowhere/docker.sock` does not answer.');
      expect(run.err).toContain('ralph-fleet telemetry up --native');
    } finally {
      await away[Symbol.asyncDispose]();
    }
    const far = await createCliHome({ DOCKER_HOST: 'tcp://192.0.2.1:2375' });
    try {
      expect((await far.cli('telemetry', 'up')).err).toContain('no socket of this machine');
    } finally {
      await far[Symbol.asyncDispose]();
    }
  });
});

describe.skipIf(!isRoot)('a network of its own', () => {
  it('is where the engine does not share this host’s: ports are published on loopback', async () => {
    const folders = stackFolders(join(home.root, 'own'));
    const clock = createSystemClock();
    const { signal } = new AbortController();
    const found = await connectEngine({ env: home.env, exec: createExec(), platform: 'linux' });
    const runner = createContainers({
      ...{ folders, clock, signal, uid: process.getuid?.() ?? 0, version: '1' },
      engine: { ...found, hostNetwork: false },
      images: await readImages(images),
    });
    const say = { done: () => {}, warn: () => {}, moving: () => {} };
    const isMetrics = async () => false;
    const deps = { folders, clock, signal, runner, isFree: isFreePort, metricsListen: '127.0.0.1:9464', isMetrics };
    const done = await stackUp(deps, say);
    expect(done.ran.map(({ found: has }) => has.problem)).toEqual([null, null, null, null]);
    for (const { id } of Object.values(await containers())) {
      const { HostConfig, NetworkSettings } = await engine.docker.getContainer(id).inspect();
      expect(HostConfig.NetworkMode).toMatch(/^rf-[0-9a-f]{8}-telemetry$/);
      const bound = Object.values(NetworkSettings.Ports).flatMap((ports) => ports ?? []);
      expect(bound.map(({ HostIp }) => HostIp).filter((ip) => ip !== '127.0.0.1')).toEqual([]);
    }
    await stackDown({ folders, runner }, true);
    expect(await containers()).toEqual({});
    const networks = await engine.docker.listNetworks();
    expect(networks.map(({ Name }) => Name).filter((name) => name.startsWith('rf-'))).toEqual([]);
  });
});
