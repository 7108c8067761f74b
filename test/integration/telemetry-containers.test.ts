import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliHome, createCliHome } from '../support/cli-home.ts';
import { startEngine, type TestEngine } from '../support/engine.ts';
import { importImages } from '../support/stack-images.ts';

// The stack as containers of a real engine. Prometheus is the real one; see stack-images.ts for the others.
let engine: TestEngine;
let home: CliHome;
let images: string;

interface Said {
  ran: { name: string; how: string; url: string; found: { text: string; problem: string | null } }[];
}

beforeAll(async () => {
  engine = await startEngine();
  images = join(engine.folder, 'images.json');
  await writeFile(images, JSON.stringify(await importImages(engine.docker, engine.folder)));
  home = await createCliHome({ DOCKER_HOST: `unix://${engine.socket}` });
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

const up = () => home.cli('telemetry', 'up', '--images', images, '--json');
const last = (out: string): Said => JSON.parse(out.trim().split('\n').at(-1) ?? '');
const containers = async (): Promise<Record<string, { id: string; state: string }>> => {
  const all = await engine.docker.listContainers({ all: true });
  return Object.fromEntries(
    all.map((one) => [one.Labels['dev.ralph-fleet.service'], { id: one.Id, state: one.State }]),
  );
};

describe('telemetry up, with containers', () => {
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
});
