import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TaskView } from '../../src/contract/task-view.ts';
import { vmPlaces } from '../../src/drivers/libvirt/places.ts';
import { createFleetHome, exec, type FleetHome, fleetRows } from '../support/fleet-home.ts';
import { chaosConfig, makeProject, say, signal, submitScenario, write } from '../support/fleet-project.ts';
import { until } from '../support/gateway-process.ts';
import { virsh } from '../support/leftovers.ts';

/** One fleet, one real VM at a time, and a person who changes it with virsh and rm while an iteration runs in it. */
const minutes = 60_000;
let home: FleetHome;
let id: string;

beforeAll(async () => {
  home = await createFleetHome();
  const config = chaosConfig();
  await home.json(['daemon', 'start']);
  await home.client.call('fleetUp', { body: { config: { ...config, vms: { ...config.vms, warm: 0 } }, demo: false } });
  await home.client.call('projectAdd', { body: { path: await makeProject(home, 'shop') } });
  const slowly = Array.from({ length: 480 }, (_, n) => [say(`line ${n}`), { do: 'sleep', seconds: 0.5 }]).flat();
  const writes = (name: string) => [write(name, 'x\n'), { do: 'run', command: 'sync' }, ...slowly];
  const end = signal('partial', { summary: 'a', remaining: 'b' });
  id = await submitScenario(home, 'shop', {
    implementer: ['one.txt', 'two.txt', 'three.txt'].map((name) => [...writes(name), end]),
  });
});
afterAll(() => home?.close());

const show = () => home.json<TaskView>(['task', 'show', id]);
const files = async () => (await show()).files.map((file) => file.path);
const iteration = async (n: number) => (await show()).iterations.find((one) => one.n === n);
const byHand = (verb: string, vm: string) => exec([...virsh, verb, `rf-${vm}`]);
const happened = (kind: string, vm: string) =>
  home.see(
    kind,
    () => fleetRows(home, 'SELECT 1 FROM events WHERE kind = ? AND subject = ?', kind, `rf-${vm}`).length > 0,
  );

/** The n-th iteration, once it has written its file and says its lines; the VM it runs in. */
async function runs(n: number): Promise<{ vm: string; says: (atLeast: number) => Promise<void> }> {
  const look = async () => {
    const found = await iteration(n);
    return found?.phase === 'running' ? found : null;
  };
  const found = await home.see(`iteration ${n}`, look, 8 * minutes);
  const stream = join(home.paths.runs, found.id, 'stream');
  const says = async (line: number) => {
    const has = async () => (await readFile(stream, 'utf8').catch(() => '')).includes(`line ${line}"`);
    await until(`line ${line} of iteration ${n}`, has, 3 * minutes);
  };
  await says(1);
  return { vm: found.vm ?? '', says };
}

async function ended(n: number): Promise<NonNullable<Awaited<ReturnType<typeof iteration>>>> {
  const look = async () => {
    const found = await iteration(n);
    return found?.phase === 'ended' ? found : null;
  };
  return home.see(`iteration ${n} has ended`, look, 8 * minutes);
}

it('suspended: it is resumed, and the iteration goes on', async () => {
  const { vm, says } = await runs(1);
  await byHand('suspend', vm);
  await happened('vm.resumed', vm);
  await says(100);
  expect((await show()).iterations).toHaveLength(1);
});

it('switched off and undefined: it is defined and started again, and the work on its disk is saved', async () => {
  const { vm } = await runs(1);
  await byHand('destroy', vm);
  await byHand('undefine', vm);
  expect(await ended(1)).toMatchObject({ outcome: 'infra', savedCommit: expect.stringMatching(/^[0-9a-f]{40}$/) });
  await happened('vm.redefined', vm);
  expect(await files()).toEqual(['one.txt']);
});

it('without its disk: its work is saved while it still runs, and another VM goes on', async () => {
  const { vm } = await runs(2);
  await rm(vmPlaces(home.paths, vm).disk);
  expect(await ended(2)).toMatchObject({ outcome: 'infra', savedCommit: expect.stringMatching(/^[0-9a-f]{40}$/) });
  expect(await files()).toEqual(['one.txt', 'two.txt']);
  expect((await runs(3)).vm).not.toBe(vm);
});

it('undefined while the fleet is to be removed: `down --delete` saves its work, says what it waits for, and ends', async () => {
  const { vm } = await runs(3);
  await byHand('destroy', vm);
  await byHand('undefine', vm);
  const down = await home.cli(['down', '--delete', '--yes'], { timeoutMs: 8 * minutes });
  expect(down.exitCode, down.stderr).toBe(0);
  expect(down.stderr).toContain(`rf-${vm} is `);
  expect(await files()).toEqual(['one.txt', 'three.txt', 'two.txt']);
  expect(await home.domains('all')).toEqual([]);
});
