import { describe, expect, test } from 'vitest';
import type { VmSpec } from '../../src/drivers/driver.ts';
import { type DriverSubject, until } from './driver.ts';

/** Snapshots of VMs, and VMs that start from them. Tests run in order; one VM is booted and used by several. */
export function snapshotConformance(subjectOf: () => DriverSubject): void {
  describe('a snapshot and the VMs made of it', () => {
    const [origin, copy, third] = ['0005a9e0', '0005a9e1', '0005a9e2'];
    const [early, late] = ['5a9e0001', '5a9e0002'];
    const state = async (id: string) => (await subjectOf().driver.list()).find((vm) => vm.id === id)?.state;
    const kept = async () => (await subjectOf().driver.space()).snapshots;
    let hostKey = '';
    let copyKey = '';

    async function start(spec: VmSpec): Promise<string> {
      const { driver } = subjectOf();
      await driver.create(spec);
      await driver.start(spec.id);
      await until(subjectOf(), async () => (await driver.hostKey(spec.id)) !== null);
      return (await driver.hostKey(spec.id)) ?? '';
    }

    test('without one there is nothing to start from, and nothing is left of a try', async () => {
      const { driver, spec, leftovers } = subjectOf();
      await expect(driver.create({ ...spec(copy), snapshot: early })).rejects.toMatchObject({ code: 'not_found' });
      await driver.remove(copy);
      expect(await leftovers(copy)).toEqual([]);
      await expect(driver.snapshot(origin, early)).rejects.toMatchObject({ code: 'not_found' });
      await driver.dropSnapshot(early);
      expect([...(await kept()).keys()]).toEqual([]);
    });

    test('taken of a running VM it is there once, and the VM runs on', async () => {
      const { driver, spec, guests } = subjectOf();
      hostKey = await start(spec(origin));
      await guests.look(origin, hostKey);
      await guests.write(origin, hostKey, 'early');
      await driver.snapshot(origin, early);
      const bytes = (await kept()).get(early);
      expect(bytes).toBeGreaterThan(0);
      expect((await driver.space()).vms.get(origin)).toBeGreaterThan(0);
      expect(await state(origin)).toBe('running');
      await guests.write(origin, hostKey, 'late');
      await subjectOf().again().snapshot(origin, early);
      expect(await kept()).toEqual(new Map([[early, bytes]]));
      expect(await guests.read(origin, hostKey)).toBe('late');
    });

    test('one that is cut off leaves no snapshot, at worst a VM that stands still', async () => {
      const { driver, guests } = subjectOf();
      await expect(subjectOf().dyingIn('copy').snapshot(origin, late)).rejects.toThrow();
      expect(await kept()).not.toContain(late);
      expect(await state(origin)).toBe('paused');
      await driver.resume(origin);
      await driver.snapshot(origin, late);
      expect(await state(origin)).toBe('running');
      expect(await guests.read(origin, hostKey)).toBe('late');
    });

    test('a VM made of it has what was on the disk then, and an identity of its own', async () => {
      const { driver, spec, guests } = subjectOf();
      copyKey = await start({ ...spec(copy), snapshot: early });
      expect(copyKey).not.toBe(hostKey);
      const [own, other] = [await guests.look(copy, copyKey), await guests.look(origin, hostKey)];
      expect(own.hostname).toBe(`rf-${copy}`);
      expect(own.machineId).not.toBe(other.machineId);
      expect(await guests.read(copy, copyKey)).toBe('early');
      expect(await guests.read(origin, hostKey)).toBe('late');
      await driver.create({ ...spec(copy), snapshot: late });
      expect(await guests.read(copy, copyKey)).toBe('early');
    });

    test('stopped and started it stays itself, and can be taken a snapshot of while it is off', async () => {
      const { driver, guests } = subjectOf();
      await guests.write(copy, copyKey, 'of the copy');
      const before = await guests.look(copy, copyKey);
      await driver.stop(copy, 120_000);
      await driver.dropSnapshot(late);
      await driver.snapshot(copy, late);
      expect(await state(copy)).toBe('off');
      await driver.start(copy);
      await until(subjectOf(), async () => (await driver.hostKey(copy)) !== null);
      expect(await driver.hostKey(copy)).toBe(copyKey);
      expect((await guests.look(copy, copyKey)).machineId).toBe(before.machineId);
    });

    test('it outlives its VM, which leaves nothing else', async () => {
      const { driver, spec, guests, leftovers } = subjectOf();
      for (const id of [origin, copy]) {
        await driver.remove(id);
        expect(await leftovers(id)).toEqual([]);
      }
      const key = await start({ ...spec(third), snapshot: late });
      expect([hostKey, copyKey]).not.toContain(key);
      await guests.look(third, key);
      expect(await guests.read(third, key)).toBe('of the copy');
      await driver.remove(third);
      expect(await leftovers(third)).toEqual([]);
    });

    test('what is not ours is neither seen nor dropped', async () => {
      const { driver, foreign } = subjectOf();
      await foreign.dropSnapshot(early);
      expect([...(await foreign.space()).snapshots.keys()]).toEqual([]);
      expect([...(await kept()).keys()].toSorted()).toEqual([early, late]);
      for (const one of [early, late, late]) await driver.dropSnapshot(one);
      expect([...(await kept()).keys()]).toEqual([]);
      expect([...(await subjectOf().leftovers(early)), ...(await subjectOf().leftovers(late))]).toEqual([]);
    });

    test.each(['', '../../etc', '0000000;'])('refuses the id %j', async (id) => {
      await expect(subjectOf().driver.snapshot(origin, id)).rejects.toThrow();
      await expect(subjectOf().driver.dropSnapshot(id)).rejects.toThrow('8 hexadecimal digits');
    });
  });
}
