import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Driver } from '../../src/drivers/driver.ts';
import { isFleetError } from '../../src/lib/errors.ts';
import { createExec, type Exec } from '../../src/lib/exec.ts';
import { type BlankVms, createBlankVms } from '../support/blank-vms.ts';
import { processesOf } from '../support/leftovers.ts';
import { canHaveOwnLibvirt, type OwnLibvirt, startOwnLibvirt } from '../support/own-libvirt.ts';

/**
 * Real VMs on a host that fails under them: libvirt's daemon killed, a disk that is full at the worst moment, VM processes that stand still as
 * when a host sleeps. All on a libvirt and a disk of the test's own.
 */
const id = '0c4a0501';
const snapshot = '5a9e0c4a';
const exec = createExec();
let vms: BlankVms;
let libvirt: OwnLibvirt;
let disk: string;
/** Before each command: what happens to the host. */
let beforehand: (argv: readonly string[]) => Promise<void>;
/** Beside each command. */
let meanwhile: (argv: readonly string[]) => Promise<void>;
let driver: Driver;

const nothing = async () => {};
const resize = (size: string) => exec(['mount', '-o', `remount,size=${size}`, disk]);
const fill = async () => {
  const { stdout } = await exec(['df', '--output=used', '-B4k', disk]);
  await resize(`${Number(stdout.split('\n')[1]) * 4}k`);
};
const makeRoom = () => resize('6g');

beforeAll(async () => {
  if (!canHaveOwnLibvirt()) return;
  vms = await createBlankVms(async (root) => {
    // All that the fleet keeps stands on a disk whose size can be changed at once.
    disk = join(root, 'ralph-fleet');
    await mkdir(disk);
    await exec(['mount', '-t', 'tmpfs', '-o', 'size=6g,mode=755', 'tmpfs', disk]);
    libvirt = await startOwnLibvirt(join(root, 'libvirt'));
    const close = async () => {
      await libvirt.close();
      await exec(['umount', disk]);
    };
    return { ...libvirt, close };
  });
  const troubled: Exec = async (argv, options) => {
    await beforehand(argv);
    const [done] = await Promise.allSettled([libvirt.exec(argv, options), meanwhile(argv)]);
    if (done.status === 'fulfilled') return done.value;
    throw done.reason;
  };
  [beforehand, meanwhile] = [nothing, nothing];
  driver = vms.driver(troubled);
});
afterAll(async () => {
  [beforehand, meanwhile] = [nothing, nothing];
  await vms?.close();
});

const spec = () => vms.spec(id);
const inCase = test.skipIf(!canHaveOwnLibvirt());

/** As passes do. Whatever fails must say so as this program's errors do. */
async function insist(make: () => Promise<void>, mend: () => Promise<void> = nothing): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      if (tries > 1) await mend();
      await make();
      return tries;
    } catch (error) {
      if (!isFleetError(error) || tries > 4) throw error;
    }
  }
}

async function qemu(): Promise<number> {
  const found = (await processesOf(`rf-${id}`)).filter((line) => line.includes('qemu-system'));
  expect(found).toHaveLength(1);
  return Number.parseInt(found[0] ?? '', 10);
}

describe('libvirtd is killed and started again', () => {
  inCase('while VMs run: they run on; meanwhile nobody takes them for gone', async () => {
    await driver.create(spec());
    await driver.start(id);
    const pid = await qemu();
    await libvirt.kill();
    await expect(driver.list()).rejects.toMatchObject({ code: 'driver_unavailable' });
    await expect(driver.remove(id)).rejects.toMatchObject({ code: 'driver_unavailable' });
    expect(await qemu()).toBe(pid);
    await libvirt.start();
    expect(await driver.list()).toMatchObject([{ id, state: 'running' }]);
    expect(await qemu()).toBe(pid);
    await driver.remove(id);
  });

  inCase('in the midst of each command: the operation comes to its end with the next try', async () => {
    const struck = new Set<string>();
    meanwhile = async (argv) => {
      const command = argv.find((word) => commands.includes(word));
      if (!argv.includes('virsh') || command === undefined || struck.has(command)) return;
      struck.add(command);
      await libvirt.kill();
      await libvirt.start();
    };
    const commands = ['define', 'start', 'suspend', 'resume', 'save', 'restore', 'destroy', 'undefine'];
    const up = async () => {
      await driver.create(spec());
      await driver.start(id);
    };
    const again = async () => {
      await driver.remove(id);
      await up();
    };
    await insist(() => driver.create(spec()));
    await insist(() => driver.start(id));
    await insist(() => driver.pause(id));
    expect(await vms.state(id)).toBe('paused');
    await insist(() => driver.resume(id));
    await insist(
      () => driver.snapshot(id, snapshot),
      () => driver.resume(id),
    );
    expect(await vms.state(id)).toBe('running');
    await insist(() => driver.saveTemplate(id, spec()), again);
    await insist(() => driver.remove(id));
    await insist(() => driver.fork(spec()));
    expect(await vms.state(id)).toBe('running');
    await insist(() => driver.stop(id, 0));
    expect(await vms.state(id)).toBe('shut off');
    await insist(() => driver.remove(id));
    expect([...struck].toSorted()).toEqual(commands.toSorted());
    await driver.dropTemplate(spec());
    await driver.dropSnapshot(snapshot);
    expect(await driver.list()).toEqual([]);
  });
});

describe('the disk is full at the worst moment', () => {
  /** From the command on nothing can be written, until somebody makes room. */
  const fullFrom = (command: string) => {
    beforehand = async (argv) => {
      if (!argv.includes(command)) return;
      beforehand = nothing;
      await fill();
    };
  };
  const failsThenGoes = async (make: () => Promise<void>, whileFull: () => Promise<void>) => {
    await expect(make()).rejects.toThrow();
    expect(beforehand).toBe(nothing);
    await whileFull();
    await makeRoom();
    await make();
  };

  inCase(
    'a VM is not made, a snapshot not taken, a template not saved, a fork not made: each says so, and leaves nothing',
    async () => {
      fullFrom('create');
      await failsThenGoes(
        () => driver.create(spec()),
        async () => expect(await vms.state(id)).toBe(null),
      );
      await driver.start(id);
      const pid = await qemu();

      fullFrom('cp');
      await failsThenGoes(
        () => driver.snapshot(id, snapshot),
        async () => {
          expect([await vms.state(id), await qemu()]).toEqual(['running', pid]);
          expect([...(await driver.space()).snapshots.keys()]).toEqual([]);
        },
      );

      fullFrom('save');
      await failsThenGoes(
        () => driver.saveTemplate(id, spec()),
        async () => {
          expect([await vms.state(id), await qemu()]).toEqual(['running', pid]);
          expect(await driver.templates([spec()])).toEqual([]);
        },
      );
      await driver.remove(id);

      fullFrom('create');
      await failsThenGoes(
        () => driver.fork(spec()),
        async () => {
          expect(await vms.state(id)).toBe(null);
          expect(await driver.templates([spec()])).toEqual(['blank']);
        },
      );
      expect(await vms.state(id)).toBe('running');
      await driver.remove(id);
      await driver.dropSnapshot(snapshot);
      await driver.dropTemplate(spec());
    },
  );
});

describe('the host sleeps: VM processes stand still, and go on', () => {
  inCase('they are listed meanwhile, are asked in vain, and are what they were afterwards', async () => {
    await driver.create(spec());
    await driver.start(id);
    const pid = await qemu();
    process.kill(pid, 'SIGSTOP');
    try {
      expect(await driver.list()).toMatchObject([{ id, state: 'running' }]);
      expect(await driver.agentAnswers(id)).toBe(false);
      const hurried = vms.driver((argv, options) => libvirt.exec(argv, { ...options, timeoutMs: 2_000 }));
      await expect(hurried.pause(id)).rejects.toMatchObject({ code: 'driver_unavailable' });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await insist(() => driver.resume(id));
    expect([await vms.state(id), await qemu()]).toEqual(['running', pid]);
    await driver.remove(id);
  });
});
