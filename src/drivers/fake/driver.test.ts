import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { VmSpec } from '../driver.ts';
import { createFakeDriver } from './driver.ts';
import { createScriptedFaults, createSeededFaults, type ScriptedFault } from './faults.ts';
import { createFakeWorld } from './world.ts';

const spec: VmSpec = {
  id: '00000001',
  disk: 'image',
  base: '/images/base.qcow2',
  boot: null,
  size: { cpus: 1, memoryMiB: 512, diskGiB: 4 },
  authorizedKey: 'ssh-ed25519 AAAA test',
};

function setUp(script: ScriptedFault[] = []) {
  const time = { now: 1000 };
  const clock: Clock = {
    now: () => time.now,
    sleep: async (ms) => {
      time.now += ms;
    },
    after: () => () => {},
  };
  const world = createFakeWorld({ clock, random: seeded('world'), bootMs: 3000 });
  const driver = createFakeDriver({ world, fleet: 'f', faults: createScriptedFaults(script) });
  return { time, world, driver };
}

describe('the fake world', () => {
  test('outlives its driver', async () => {
    const { world, driver } = setUp();
    await driver.create(spec);
    await driver.start(spec.id);
    const next = createFakeDriver({ world, fleet: 'f' });
    expect(await next.list()).toEqual([{ id: spec.id, state: 'running' }]);
  });

  test('boots in virtual time and keeps the host key over a restart', async () => {
    const { time, driver } = setUp();
    await driver.create(spec);
    await driver.start(spec.id);
    expect(await driver.agentAnswers(spec.id)).toBe(false);
    expect(await driver.hostKey(spec.id)).toBe(null);
    time.now += 3000;
    expect(await driver.agentAnswers(spec.id)).toBe(true);
    const key = await driver.hostKey(spec.id);
    expect(key).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]{68}$/);
    await driver.stop(spec.id, 0);
    await driver.start(spec.id);
    time.now += 3000;
    expect(await driver.hostKey(spec.id)).toBe(key);
  });

  test('a killed VM is crashed, answers no more, and starts again', async () => {
    const { world, time, driver } = setUp();
    await driver.create(spec);
    await driver.start(spec.id);
    time.now += 3000;
    world.kill(spec.id);
    expect(await driver.list()).toEqual([{ id: spec.id, state: 'crashed' }]);
    expect(await driver.agentAnswers(spec.id)).toBe(false);
    await driver.start(spec.id);
    expect(world.vms.get(spec.id)?.boots).toBe(2);
  });

  test('foreign VMs are neither listed nor touched, unknown ones of ours are', async () => {
    const { world, driver } = setUp();
    world.appear('0000000a', 'other', 'running');
    world.appear('0000000b', 'f', 'running');
    expect(await driver.list()).toEqual([{ id: '0000000b', state: 'running' }]);
    await driver.remove('0000000a');
    await driver.stop('0000000a', 0);
    expect(world.vms.get('0000000a')?.state).toBe('running');
    await expect(driver.create({ ...spec, id: '0000000a' })).rejects.toMatchObject({ code: 'refused' });
  });
});

describe('faults', () => {
  test('fail before the effect, lose the reply, cut off', async () => {
    const { world, driver } = setUp([
      { call: 'create', fault: { kind: 'fail-before' } },
      { call: 'create', fault: { kind: 'cut-off' } },
      { call: 'create', fault: { kind: 'fail-after' } },
    ]);
    await expect(driver.create(spec)).rejects.toMatchObject({ code: 'driver_unavailable' });
    expect(world.vms.size).toBe(0);
    await expect(driver.create(spec)).rejects.toMatchObject({ code: 'driver_unavailable' });
    expect(await driver.list()).toEqual([{ id: spec.id, state: 'partial' }]);
    await expect(driver.create(spec)).rejects.toMatchObject({ code: 'driver_unavailable' });
    expect(await driver.list()).toEqual([{ id: spec.id, state: 'off' }]);
    await driver.create(spec);
  });

  test('doubled, slow and hanging calls', async () => {
    const { world, time, driver } = setUp([
      { call: 'start', fault: { kind: 'doubled' } },
      { call: 'list', fault: { kind: 'slow', ms: 700 } },
      { call: 'list', fault: { kind: 'hang' } },
    ]);
    await driver.create(spec);
    await driver.start(spec.id);
    expect(world.vms.get(spec.id)?.boots).toBe(1);
    const before = time.now;
    await driver.list();
    expect(time.now - before).toBe(700);
    await expect(driver.list()).rejects.toMatchObject({ code: 'driver_unavailable' });
    expect(time.now - before).toBe(30_700);
  });

  test('without a hypervisor every call fails, and list is not empty', async () => {
    const { world, driver } = setUp();
    world.down = true;
    await expect(driver.list()).rejects.toMatchObject({ code: 'driver_unavailable' });
    await expect(driver.stop(spec.id, 0)).rejects.toMatchObject({ code: 'driver_unavailable' });
    expect(await driver.probe()).toMatchObject({ available: false });
  });

  test('a seed replays, and strikes about as often as asked', () => {
    const draws = (seed: string) => {
      const faults = createSeededFaults({ random: seeded(seed), rate: 0.2 });
      return Array.from({ length: 500 }, () => faults.next('list', null)?.kind ?? null);
    };
    expect(draws('a')).toEqual(draws('a'));
    expect(draws('a')).not.toEqual(draws('b'));
    const struck = draws('a').filter((kind) => kind !== null);
    expect(struck.length).toBeGreaterThan(60);
    expect(struck.length).toBeLessThan(140);
    expect(new Set(struck).size).toBe(7);
  });
});

function seeded(seed: string): Random {
  let drawn = 0;
  return {
    hex: (bytes) =>
      createHash('sha256')
        .update(`${seed}:${drawn++}`)
        .digest('hex')
        .slice(0, bytes * 2),
  };
}
