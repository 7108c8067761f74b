import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { demoConfig } from '../../src/config/fleet/demo.ts';
import { defaultFleetConfig } from '../../src/config/fleet/load.ts';
import { createFleetHome, exec, type FleetHome, virsh } from '../support/fleet-home.ts';
import { until } from '../support/gateway-process.ts';

// The demo on a small disk of its own, with real VMs: the disk fills in the middle of it, and is given room again.
const minutes = 60_000;
let disk: string;
let home: FleetHome;

beforeAll(async () => {
  disk = await mkdtemp(join(tmpdir(), 'rf-small-'));
  await exec(['mount', '-t', 'tmpfs', '-o', 'size=2g,mode=755', 'tmpfs', disk]);
  await chmod(disk, 0o755);
  home = await createFleetHome({ XDG_STATE_HOME: disk });
}, 5 * minutes);

afterAll(async () => {
  try {
    await home.close();
  } finally {
    await exec(['umount', disk]);
    await rm(disk, { recursive: true, force: true });
  }
}, 10 * minutes);

const stateOf = async (name: string) => (await exec([...virsh, 'domstate', name])).stdout.trim();

it('VMs are suspended, the person is told, and with room again the task comes to its end', {
  timeout: 40 * minutes,
}, async () => {
  await home.json(['daemon', 'start']);
  const config = { ...demoConfig(defaultFleetConfig()), host: { keepFreeDiskGiB: 0.25, keepFreeMemoryMiB: 256 } };
  await home.client.call('fleetUp', { body: { config, demo: true } });
  const isAtWork = (phase: string) => phase === 'implementing' || phase === 'verifying';
  await home.see('work', (view) => view.tasks.some((task) => isAtWork(task.phase)), 20 * minutes);
  expect((await home.view()).host.pressure).toBe(null);
  // Another program takes all but 150 MiB of it.
  const free = Number((await exec(['df', '--output=avail', '-BM', disk])).stdout.split('\n')[1]?.replace('M', ''));
  await exec(['fallocate', '-l', `${free - 150}MiB`, join(disk, 'other')]);
  const frozen = await home.see('a frozen VM', (view) => view.vms.find((vm) => vm.phase === 'paused'), 10 * minutes);
  expect(await stateOf(frozen.name)).toBe('paused');
  expect(frozen.waitsFor).toMatch(/^it is frozen: the disk of the state folder is (almost )?full/);
  const view = await home.view();
  expect(view.host.pressure).toMatchObject({ of: 'disk', level: expect.stringMatching(/short|gone/) });
  expect(view.inbox.map((item) => item.id)).toContainEqual(expect.stringMatching(/^mend:disk:/));
  expect((await home.cli(['status'])).stdout).toContain('VMs are frozen');
  await rm(join(disk, 'other'));
  await home.see('no VM is frozen', (now) => now.vms.every((vm) => vm.phase !== 'paused'), 5 * minutes);
  await until('the ballast', async () => (await home.view()).host.pressure === null);
  await home.task('T1', ['awaiting_approval'], 30 * minutes);
});
