import { describe, expect, test } from 'vitest';
import type { VmSpec } from '../../src/drivers/driver.ts';
import { type DriverSubject, type SeenIdentity, until } from './driver.ts';

/** Templates and forks, for a driver that has them. Tests run in order; one template is saved and used by several. */
export function forkConformance(subjectOf: () => DriverSubject): void {
  describe('a template and its forks', () => {
    const [origin, first, second] = ['00f00d00', '00f00d01', '00f00d02'];
    const snapshot = '5a9e000f';
    const seen = new Map<string, SeenIdentity>();
    const spec = (id: string, more: Partial<VmSpec> = {}): VmSpec => ({ ...subjectOf().spec(id), ...more });
    const state = async (id: string) => (await subjectOf().driver.list()).find((vm) => vm.id === id)?.state;

    async function bootSettled(id: string): Promise<void> {
      const { driver, guests } = subjectOf();
      await driver.create(spec(id));
      await driver.start(id);
      await until(subjectOf(), async () => (await driver.hostKey(id)) !== null);
      await guests.settle(id);
    }

    test('without a template there is nothing to fork from, and nothing is left of a try', async () => {
      const { driver, leftovers } = subjectOf();
      expect(await driver.templates([spec(first)])).toEqual([]);
      await expect(driver.fork(spec(first))).rejects.toMatchObject({ code: 'not_found' });
      expect(await driver.list()).toEqual([]);
      expect(await leftovers(first)).toEqual([]);
      await driver.dropTemplate(spec(first));
    });

    test('it is saved of a running VM only, and the VM is off then', async () => {
      const { driver } = subjectOf();
      await driver.create(spec(origin));
      await expect(driver.saveTemplate(origin, spec(origin))).rejects.toMatchObject({ code: 'vm_not_ready' });
      await bootSettled(origin);
      await driver.saveTemplate(origin, spec(origin));
      expect(await state(origin)).toBe('off');
      await subjectOf().again().saveTemplate(origin, spec(origin));
      expect(await driver.templates([spec(origin)])).toEqual([spec(origin).disk]);
    });

    test('it fits its own disk and size, and no other', async () => {
      const { driver } = subjectOf();
      const { size } = spec(first);
      const others = [
        spec(first, { disk: 'another' }),
        spec(first, { size: { ...size, memoryMiB: size.memoryMiB + 1 } }),
        spec(first, { size: { ...size, diskGiB: size.diskGiB + 1 } }),
      ];
      expect(await driver.templates(others)).toEqual([]);
      for (const other of others) await expect(driver.fork(other)).rejects.toMatchObject({ code: 'not_found' });
      expect(await driver.templates([...others, spec(first)])).toEqual([spec(first).disk]);
    });

    test('it outlives the VM it was saved of, which leaves nothing else', async () => {
      const { driver, leftovers } = subjectOf();
      await driver.remove(origin);
      expect(await leftovers(origin)).toEqual([]);
      expect(
        await subjectOf()
          .again()
          .templates([spec(first)]),
      ).toEqual([spec(first).disk]);
    });

    test('forks made at once run, each with an identity of its own', async () => {
      const { driver, guests } = subjectOf();
      const forks = [first, second];
      await Promise.all(forks.map((id) => driver.fork(spec(id))));
      expect(await driver.list()).toMatchObject(forks.map((id) => ({ id, state: 'running' })));
      await Promise.all(forks.map(async (id) => seen.set(id, await guests.identify(id))));
      const [a, b] = [seen.get(first), seen.get(second)];
      expect([a?.hostname, b?.hostname]).toEqual([`rf-${first}`, `rf-${second}`]);
      for (const one of ['machineId', 'bootId', 'hostKey'] as const) expect(a?.[one], one).not.toBe(b?.[one]);
      for (const id of forks) {
        await until(subjectOf(), () => driver.agentAnswers(id));
        expect(await driver.hostKey(id)).toBe(seen.get(id)?.hostKey);
        expect(await guests.look(id, seen.get(id)?.hostKey ?? '')).toEqual(seen.get(id));
      }
    });

    test('one that nobody has used is forked again from the start', async () => {
      const { driver, guests } = subjectOf();
      await subjectOf().again().fork(spec(second));
      expect(await state(second)).toBe('running');
      const again = await guests.identify(second);
      expect(again.hostKey).not.toBe(seen.get(second)?.hostKey);
      await driver.remove(second);
      expect(await subjectOf().leftovers(second)).toEqual([]);
    });

    test('one that was stopped boots again as itself, and is not exported', async () => {
      const { driver, guests } = subjectOf();
      const before = seen.get(first);
      await driver.stop(first, 120_000);
      await expect(driver.exportDisk(first, subjectOf().exportTarget)).rejects.toMatchObject({ code: 'refused' });
      await driver.start(first);
      await until(subjectOf(), async () => (await driver.hostKey(first)) !== null);
      expect(await driver.hostKey(first)).toBe(before?.hostKey);
      const after = await guests.look(first, before?.hostKey ?? '');
      expect(after).toEqual({ ...before, bootId: after.bootId });
      expect(after.bootId).not.toBe(before?.bootId);
    });

    test('a fork that was cut off is listed, and goes on or is removed', async () => {
      const { driver, leftovers } = subjectOf();
      await expect(subjectOf().dyingIn('restore').fork(spec(second))).rejects.toThrow();
      expect(await state(second)).not.toBe(undefined);
      await driver.fork(spec(second));
      expect(await state(second)).toBe('running');
      await expect(subjectOf().dyingIn('restore').fork(spec(second))).rejects.toThrow();
      await driver.remove(second);
      expect(await leftovers(second)).toEqual([]);
    });

    test('what is not ours is never forked over', async () => {
      const { driver, foreign } = subjectOf();
      await foreign.create(spec(second));
      await expect(driver.fork(spec(second))).rejects.toMatchObject({ code: 'refused' });
      await foreign.remove(second);
    });

    test('dropped, nothing is forked from it; what stands on it goes on', async () => {
      const { driver, guests } = subjectOf();
      await driver.dropTemplate(spec(first));
      await driver.dropTemplate(spec(first));
      expect(await driver.templates([spec(first)])).toEqual([]);
      await expect(driver.fork(spec(second))).rejects.toMatchObject({ code: 'not_found' });
      const key = seen.get(first)?.hostKey ?? '';
      expect((await guests.look(first, key)).machineId).toBe(seen.get(first)?.machineId);
      await driver.stop(first, 0);
      await driver.start(first);
      expect(await state(first)).toBe('running');
      await driver.snapshot(first, snapshot);
      await driver.remove(first);
      expect(await subjectOf().leftovers(first)).toEqual([]);
    });

    test('a snapshot of a fork holds the template’s disk; a VM made of it boots as itself', async () => {
      const { driver } = subjectOf();
      await driver.create({ ...spec(second), snapshot });
      await driver.dropSnapshot(snapshot);
      await driver.start(second);
      await until(subjectOf(), async () => (await driver.hostKey(second)) !== null);
      expect(await driver.hostKey(second)).not.toBe(seen.get(first)?.hostKey);
      await driver.stop(second, 0);
      await expect(driver.exportDisk(second, subjectOf().exportTarget)).rejects.toMatchObject({ code: 'refused' });
      await driver.remove(second);
      expect(await subjectOf().leftovers(second)).toEqual([]);
    });

    test('a save that failed half-way makes no template and leaves nothing', async () => {
      const { driver } = subjectOf();
      await bootSettled(origin);
      await expect(subjectOf().dyingIn('save').saveTemplate(origin, spec(origin))).rejects.toThrow();
      expect(await driver.templates([spec(origin)])).toEqual([]);
      await driver.remove(origin);
      expect(await subjectOf().leftovers(origin)).toEqual([]);
      expect(await subjectOf().templateFiles()).toEqual([]);
    });
  });
}
