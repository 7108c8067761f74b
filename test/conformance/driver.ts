import { stat } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { channelUses } from '../../src/domain/endpoint.ts';
import type { Driver, ObservedVm, VmSpec } from '../../src/drivers/driver.ts';
import { forkConformance } from './driver-forks.ts';
import { snapshotConformance } from './driver-snapshots.ts';

/** What the suite needs to know of a driver beside its interface. */
export interface DriverSubject {
  driver: Driver;
  /** A new driver of the same fleet over the same hypervisor, as after a crash of the daemon. */
  again(): Driver;
  /** A driver of another fleet over the same hypervisor. */
  foreign: Driver;
  /** A driver of this fleet whose hypervisor cannot be reached. */
  unreachable: Driver;
  /** A driver of this fleet whose `create` is cut off half-way. */
  cutOff: Driver;
  spec(id: string): VmSpec;
  /** Where an exported disk may go. */
  exportTarget: string;
  /** Digest of the base disk's content. */
  baseDigest(): Promise<string>;
  /** What is left of a VM on the host, by name: domains, files, sockets, processes. */
  leftovers(id: string): Promise<string[]>;
  /** What a person does to a VM behind the driver's back, with the hypervisor's own means. */
  byHand: {
    undefine(id: string): Promise<void>;
    removeDisk(id: string): Promise<void>;
    suspend(id: string): Promise<void>;
    /** Of a VM that is off. */
    rename(id: string): Promise<void>;
  };
  /** Lets (virtual) time pass. */
  wait(ms: number): Promise<void>;
  /** What a driver that forks needs of its guests; `host key` is null where there is none yet. */
  guests: {
    settle(id: string): Promise<void>;
    identify(id: string): Promise<SeenIdentity>;
    /** Asks the guest itself, by the host key it was pinned with. */
    look(id: string, hostKey: string): Promise<SeenIdentity>;
    /** Keeps a word on its disk, written out; tells it again. */
    write(id: string, hostKey: string, word: string): Promise<void>;
    read(id: string, hostKey: string): Promise<string>;
  };
  /** Names of what stands in the cache of templates. */
  templateFiles(): Promise<string[]>;
  /** A driver of this fleet that dies in the named call of a hypervisor's command, or in the copy of a disk and all that follows. */
  dyingIn(step: 'save' | 'restore' | 'copy'): Driver;
  /** Proves the driver's wall from inside the booted guest; only where there is a real guest. */
  proveWall?(id: string): Promise<void>;
  close(): Promise<void>;
}

/** What must be another in each VM. */
export interface SeenIdentity {
  hostname: string;
  machineId: string;
  bootId: string;
  hostKey: string;
}

/** Every driver passes this. Tests run in order; one VM is booted and used by several. */
export function driverConformance(name: string, setUp: () => Promise<DriverSubject>): void {
  describe(`driver ${name}`, () => {
    let subject: DriverSubject;
    beforeAll(async () => {
      subject = await setUp();
    });
    afterAll(async () => {
      await subject?.close();
    });
    const stateOf = async (id: string): Promise<ObservedVm['state'] | undefined> =>
      (await subject.driver.list()).find((vm) => vm.id === id)?.state;

    test('says what it is and that it would work', async () => {
      const probe = await subject.driver.probe();
      expect(probe.available, JSON.stringify(probe.problems)).toBe(true);
      expect(['kvm', 'hvf', 'tcg']).toContain(probe.accel);
      expect(subject.driver.wall).toBe('device');
    });

    describe('one VM through its life', () => {
      const id = '00c0ffee';
      let base: string;
      let hostKey: string | null;

      test('create makes it, off, once', async () => {
        base = await subject.baseDigest();
        expect(await stateOf(id)).toBe(undefined);
        await subject.driver.create(subject.spec(id));
        await subject.driver.create(subject.spec(id));
        expect(await subject.driver.list()).toMatchObject([{ id, state: 'off' }]);
        await expect(subject.driver.pause(id)).rejects.toMatchObject({ code: 'vm_not_ready' });
        expect(await subject.driver.agentAnswers(id)).toBe(false);
        expect(await subject.driver.hostKey(id)).toBe(null);
      });

      test('start starts it, once; a driver made anew sees it', async () => {
        await subject.driver.start(id);
        await subject.driver.start(id);
        expect(await stateOf(id)).toBe('running');
        expect(await subject.again().list()).toMatchObject([{ id, state: 'running' }]);
        await subject.again().start(id);
        await subject.again().create(subject.spec(id));
        expect(await stateOf(id)).toBe('running');
      });

      test('each use has an endpoint of its own', () => {
        const endpoints = channelUses.map((use) => JSON.stringify(subject.driver.endpoint(id, use)));
        expect(new Set(endpoints).size).toBe(channelUses.length);
        for (const use of channelUses) {
          const endpoint = subject.driver.endpoint(id, use);
          if (endpoint.kind === 'unix') expect(Buffer.byteLength(endpoint.path)).toBeLessThan(104);
        }
      });

      test('its guest answers, and its host key comes over the trusted channel', async () => {
        await until(subject, () => subject.driver.agentAnswers(id));
        await until(subject, async () => (await subject.driver.hostKey(id)) !== null);
        hostKey = await subject.driver.hostKey(id);
        expect(hostKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]{68}$/);
        expect(await subject.again().hostKey(id)).toBe(hostKey);
        await subject.driver.setTime(id, Date.now());
      });

      test('the wall holds from inside', async () => {
        await subject.proveWall?.(id);
      });

      test('pause and resume, each twice', async () => {
        await subject.driver.pause(id);
        await subject.driver.pause(id);
        expect(await stateOf(id)).toBe('paused');
        expect(await subject.driver.agentAnswers(id)).toBe(false);
        await subject.driver.resume(id);
        await subject.driver.resume(id);
        expect(await stateOf(id)).toBe('running');
        await until(subject, () => subject.driver.agentAnswers(id));
      });

      test('its disk is exported only when it is off', async () => {
        await expect(subject.driver.exportDisk(id, subject.exportTarget)).rejects.toMatchObject({
          code: 'vm_not_ready',
        });
      });

      test('stop is graceful, and stops once', async () => {
        await subject.driver.stop(id, 120_000);
        await subject.driver.stop(id, 0);
        expect(await stateOf(id)).toBe('off');
        expect((await subject.driver.consoleTail(id, 400)).length).toBeGreaterThan(0);
        expect((await subject.driver.consoleTail(id, 5)).length).toBeLessThanOrEqual(5);
        const file = subject.driver.consoleFile(id);
        if (file !== null) expect((await stat(file)).size).toBeGreaterThan(0);
      });

      test('an exported disk is a base like another', async () => {
        await subject.driver.exportDisk(id, subject.exportTarget);
        await subject.driver.exportDisk(id, subject.exportTarget);
        const next = { ...subject.spec('00c0ffe2'), base: subject.exportTarget };
        await subject.driver.create(next);
        await subject.driver.start(next.id);
        await subject.driver.remove(next.id);
        expect(await subject.leftovers(next.id)).toEqual([]);
      });

      test('undefined by hand it is partial; defined again it starts from its own disk', async () => {
        await subject.byHand.undefine(id);
        expect(await stateOf(id)).toBe('partial');
        await expect(subject.driver.start(id)).rejects.toMatchObject({ code: 'not_found' });
        await subject.driver.redefine(subject.spec(id));
        await subject.driver.redefine(subject.spec(id));
        expect(await stateOf(id)).toBe('off');
        await subject.driver.start(id);
        await until(subject, async () => (await subject.driver.hostKey(id)) !== null);
        expect(await subject.driver.hostKey(id)).toBe(hostKey);
      });

      test('remove takes it away running', async () => {
        expect(await stateOf(id)).toBe('running');
        await subject.driver.remove(id);
        await subject.driver.remove(id);
        expect(await subject.driver.list()).toEqual([]);
        expect(await subject.leftovers(id)).toEqual([]);
      });

      test('the base disk is what it was', async () => {
        expect(await subject.baseDigest()).toBe(base);
      });
    });

    snapshotConformance(() => subject);
    forkConformance(() => subject);

    test('two VMs at once do not know of each other', async () => {
      const [a, b] = ['000000aa', '000000bb'];
      await Promise.all([subject.driver.create(subject.spec(a)), subject.driver.create(subject.spec(b))]);
      await Promise.all([subject.driver.start(a), subject.driver.start(b)]);
      expect(await subject.driver.list()).toMatchObject([
        { id: a, state: 'running' },
        { id: b, state: 'running' },
      ]);
      await subject.driver.remove(a);
      expect(await subject.driver.list()).toMatchObject([{ id: b, state: 'running' }]);
      await subject.driver.stop(b, 0);
      expect(await stateOf(b)).toBe('off');
      await subject.driver.remove(b);
      expect([...(await subject.leftovers(a)), ...(await subject.leftovers(b))]).toEqual([]);
    });

    test('a create that was cut off shows as partial, and goes on or is removed', async () => {
      const [first, second] = [subject.spec('000000c1'), subject.spec('000000c2')];
      await expect(subject.cutOff.create(first)).rejects.toThrow();
      await expect(subject.cutOff.create(second)).rejects.toThrow();
      expect(await stateOf(first.id)).toBe('partial');
      await expect(subject.driver.start(first.id)).rejects.toMatchObject({ code: 'not_found' });
      await subject.driver.create(first);
      await subject.driver.start(first.id);
      expect(await stateOf(first.id)).toBe('running');
      await subject.driver.remove(first.id);
      await subject.driver.remove(second.id);
      expect(await subject.driver.list()).toEqual([]);
      expect([...(await subject.leftovers(first.id)), ...(await subject.leftovers(second.id))]).toEqual([]);
    });

    describe('what a person does by hand', () => {
      const id = '00000bad';
      const driver = () => subject.driver;
      const byHand = () => subject.byHand;
      beforeEach(async () => {
        await driver().create(subject.spec(id));
        await driver().start(id);
      });
      afterEach(async () => {
        await driver().remove(id);
        expect(await driver().list()).toEqual([]);
        expect(await subject.leftovers(id)).toEqual([]);
      });

      test('undefined, it runs on until it is off', async () => {
        await byHand().undefine(id);
        expect(await stateOf(id)).toBe('running');
        await driver().create(subject.spec(id));
        await driver().start(id);
        await driver().stop(id, 0);
        expect(await stateOf(id)).toBe('partial');
        await driver().stop(id, 0);
        await driver().redefine(subject.spec(id));
        expect(await stateOf(id)).toBe('off');
      });

      test('undefined while it runs, it is removed as another', async () => {
        await byHand().undefine(id);
      });

      test('without its disk it says so, running or not, and gets no empty one', async () => {
        await byHand().removeDisk(id);
        expect(await stateOf(id)).toBe('diskless');
        await expect(driver().redefine(subject.spec(id))).rejects.toMatchObject({ code: 'not_found' });
        await driver().stop(id, 0);
        expect(await stateOf(id)).toBe('diskless');
        await expect(driver().start(id)).rejects.toThrow();
        expect(await stateOf(id)).toBe('diskless');
      });

      test('without its disk and undefined it says so', async () => {
        await driver().stop(id, 0);
        await byHand().removeDisk(id);
        await byHand().undefine(id);
        expect(await stateOf(id)).toBe('diskless');
        await expect(driver().redefine(subject.spec(id))).rejects.toMatchObject({ code: 'not_found' });
      });

      test('suspended, it is paused and can be resumed', async () => {
        await byHand().suspend(id);
        expect(await stateOf(id)).toBe('paused');
        await driver().resume(id);
        expect(await stateOf(id)).toBe('running');
      });

      test('renamed, it is found', async () => {
        await driver().stop(id, 0);
        await byHand().rename(id);
        expect(await subject.again().list()).toMatchObject([{ id, state: 'off' }]);
        await driver().start(id);
        expect(await stateOf(id)).toBe('running');
        await driver().stop(id, 0);
        await byHand().rename(id);
      });
    });

    test('what is not ours is not listed and never changed', async () => {
      const id = '00f0e160';
      await subject.foreign.create(subject.spec(id));
      try {
        await subject.foreign.start(id);
        expect(await subject.driver.list()).toEqual([]);
        await subject.driver.stop(id, 0);
        await subject.driver.remove(id);
        await expect(subject.driver.pause(id)).rejects.toMatchObject({ code: 'not_found' });
        await expect(subject.driver.setTime(id, Date.now())).rejects.toThrow();
        await expect(subject.driver.create(subject.spec(id))).rejects.toMatchObject({ code: 'refused' });
        await expect(subject.driver.redefine(subject.spec(id))).rejects.toMatchObject({ code: 'refused' });
        expect(await subject.foreign.list()).toMatchObject([{ id, state: 'running' }]);
      } finally {
        await subject.foreign.remove(id);
      }
      expect(await subject.leftovers(id)).toEqual([]);
    });

    test('unavailable is never empty', async () => {
      const id = '000000dd';
      await subject.driver.create(subject.spec(id));
      const { unreachable } = subject;
      await expect(unreachable.list()).rejects.toMatchObject({ code: 'driver_unavailable' });
      await expect(unreachable.remove(id)).rejects.toMatchObject({ code: 'driver_unavailable' });
      await expect(unreachable.redefine(subject.spec(id))).rejects.toMatchObject({ code: 'driver_unavailable' });
      await expect(unreachable.stop(id, 0)).rejects.toMatchObject({ code: 'driver_unavailable' });
      await expect(unreachable.agentAnswers(id)).rejects.toMatchObject({ code: 'driver_unavailable' });
      const probe = await unreachable.probe();
      expect(probe.available).toBe(false);
      expect(probe.problems[0]?.remedy).not.toBe('');
      expect(await stateOf(id)).toBe('off');
      await subject.driver.remove(id);
    });

    test('what is not there: stop and remove succeed, the rest says so', async () => {
      const id = '00000404';
      await subject.driver.stop(id, 1000);
      await subject.driver.remove(id);
      expect(await subject.driver.consoleTail(id, 100)).toBe('');
      await expect(subject.driver.start(id)).rejects.toMatchObject({ code: 'not_found' });
      await expect(subject.driver.resume(id)).rejects.toMatchObject({ code: 'not_found' });
      await expect(subject.driver.exportDisk(id, subject.exportTarget)).rejects.toMatchObject({ code: 'not_found' });
    });

    test.each(['', '../../etc', 'DEADBEEF', '0000000', '000000000', '0000000;', '00000000\n'])(
      'refuses the id %j',
      async (id) => {
        expect(() => subject.driver.endpoint(id, 'control')).toThrow('8 hexadecimal digits');
        await expect(subject.driver.create(subject.spec(id))).rejects.toMatchObject({ code: 'bug' });
        await expect(subject.driver.start(id)).rejects.toMatchObject({ code: 'bug' });
        await expect(subject.driver.remove(id)).rejects.toMatchObject({ code: 'bug' });
      },
    );
  });
}

/** Looks until it is so; the suite's time-out is the deadline. */
export async function until(subject: DriverSubject, isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await subject.wait(500);
}
