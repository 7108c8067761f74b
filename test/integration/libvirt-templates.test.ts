import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, normalize } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { VmBase } from '../../src/drivers/driver.ts';
import { type TemplatePlaces, templatePlaces } from '../../src/drivers/libvirt/places.ts';
import { createTemplateStore, type TemplateStore } from '../../src/drivers/libvirt/templates.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec } from '../../src/lib/exec.ts';
import { createSilentLog } from '../../src/lib/log.ts';

/** The folder of templates: real files and qemu-img, a libvirt that only says its version. */
const exec = createExec();
let root: string;
let version: string;
let base: VmBase;
let store: TemplateStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rf-templates-'));
  version = 'Using library: libvirt 11.3.0\nRunning hypervisor: QEMU 10.0.2\n';
  base = await makeBase('image');
  store = open(join(root, 'cache/templates'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const clock = createSystemClock();

function open(folder: string): TemplateStore {
  const virsh = async () => version;
  return createTemplateStore({ root: folder, exec, virsh, clock, log: createSilentLog(), accel: async () => 'tcg' });
}

async function makeBase(name: string): Promise<VmBase> {
  const file = join(root, 'cache', name, 'image.qcow2');
  await mkdir(join(root, 'cache', name), { recursive: true });
  await exec(['qemu-img', 'create', '-q', '-f', 'qcow2', file, '1M']);
  return { disk: name, base: file, boot: null, size: { cpus: 1, memoryMiB: 512, diskGiB: 4 } };
}

async function fill({ memory, head, disk }: TemplatePlaces, of = base): Promise<'sparse'> {
  await writeFile(memory, 'memory');
  await writeFile(head, 'head');
  await exec(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', of.base, '-F', 'qcow2', disk]);
  return 'sparse';
}

const folders = () => readdir(join(root, 'cache/templates')).catch(() => []);
const folderOf = async (of = base) => basename((await store.find(of, true))?.places.folder ?? '');

describe('a template', () => {
  test('is found by what is true, and not once anything of it changed', async () => {
    await store.add(base, fill);
    expect(await store.find(base, true)).toMatchObject({ format: 'sparse' });
    expect(await store.find({ ...base, disk: 'other' }, true)).toBe(null);
    expect(await store.find({ ...base, size: { ...base.size, memoryMiB: 513 } }, true)).toBe(null);
    const boot = { kernel: '/k', initrd: '/i', cmdline: 'quiet' };
    expect(await store.find({ ...base, boot }, true)).toBe(null);
    for (const other of [version.replace('11.3.0', '11.4.0'), version.replace('10.0.2', '10.0.3')]) {
      const before = version;
      version = other;
      expect(await store.find(base, true)).toBe(null);
      version = before;
    }
    expect(await store.find(base, true)).not.toBe(null);
  });

  test('does not fit a disk that was made again under the same key, nor one that is gone', async () => {
    await store.add(base, fill);
    await utimes(base.base, new Date(), new Date(Date.now() + 5000));
    expect(await store.find(base, true)).toBe(null);
    await rm(base.base);
    expect(await store.find(base, true)).toBe(null);
  });

  test('that fits nothing any more is idle, and removed unless a VM stands on it', async () => {
    await store.add(base, fill);
    const other = await makeBase('other');
    await store.add(other, (places) => fill(places, other));
    expect(await store.idle([base, other])).toEqual([]);
    const idle = await store.idle([base]);
    expect(idle).toEqual([{ name: await folderOf(other), sizeBytes: expect.any(Number) }]);
    const found = await store.find(other, true);
    const vm = join(root, 'vm');
    await mkdir(vm);
    if (found !== null) await store.lease(found.places, '0000000a', vm);
    expect(await store.idle([base])).toEqual([]);
    for (const { name } of idle) await store.remove(name);
    expect(await folders()).toHaveLength(2);
    await store.release('0000000a');
    for (const { name } of idle) await store.remove(name);
    for (const { name } of idle) await store.remove(name);
    expect(await folders()).toEqual([await folderOf()]);
    await expect(store.remove('../image')).rejects.toMatchObject({ code: 'bug' });
  });

  test('does not care where kernel and cache stand: both may be moved', async () => {
    const at = (folder: string): VmBase => {
      const boot = { kernel: `${folder}/vmlinuz`, initrd: `${folder}/initrd`, cmdline: 'quiet' };
      return { ...base, base: join(root, folder, 'image/image.qcow2'), boot };
    };
    await store.add(at('cache'), fill);
    await rename(join(root, 'cache'), join(root, 'moved'));
    const found = await open(join(root, 'moved/templates')).find(at('moved'), true);
    const { stdout } = await exec(['qemu-img', 'info', '--output=json', found?.places.disk ?? '']);
    expect(normalize(JSON.parse(stdout)['full-backing-filename'])).toBe(join(root, 'moved/image/image.qcow2'));
    await exec(['qemu-img', 'check', '-q', found?.places.disk ?? '']);
  });

  test('is there whole or not at all', async () => {
    const cutOff = async (aside: TemplatePlaces) => {
      await writeFile(aside.memory, 'half');
      throw new Error('cut off');
    };
    await expect(store.add(base, cutOff)).rejects.toThrow('cut off');
    expect(await folders()).toEqual([]);
    await store.add(base, fill);
    const { places } = (await store.find(base, true)) ?? {};
    await writeFile(places?.about ?? '', '{"version":');
    expect(await store.find(base, true)).toBe(null);
  });

  test('left unfinished by a process that is no more goes at the first look, and with the next one', async () => {
    const dead = '.0123456789abcdef-01234567.999999999';
    const alive = `.0123456789abcdef-01234567.${process.pid}`;
    const leave = async () => {
      for (const name of [dead, alive]) await mkdir(join(root, 'cache/templates', name), { recursive: true });
    };
    await leave();
    await store.find(base, false);
    expect(await folders()).toEqual([alive]);
    await leave();
    await store.add(base, fill);
    expect((await folders()).toSorted()).toEqual([alive, await folderOf()]);
  });
});

describe('what stands on a template', () => {
  async function lease(of: VmBase, id: string): Promise<string> {
    const vm = join(root, 'vms', id);
    await mkdir(vm, { recursive: true });
    const found = await store.find(of, true);
    if (found === null) throw new Error('no template');
    await store.lease(found.places, id, vm);
    return vm;
  }

  test('keeps its disk, also once it is dropped, until the last one is gone', async () => {
    await store.add(base, fill);
    const folder = join(root, 'cache/templates', await folderOf());
    await lease(base, '00000001');
    await lease(base, '00000002');
    await store.drop(base);
    expect(await store.find(base, true)).toBe(null);
    await store.release('00000001');
    expect((await stat(templatePlaces(folder).disk)).isFile()).toBe(true);
    expect([await store.isLeasedBy('00000001'), await store.isLeasedBy('00000002')]).toEqual([false, true]);
    await store.release('00000002');
    expect(await folders()).toEqual([]);
  });

  test('is not forgotten when a new one takes the place of a dropped one', async () => {
    await store.add(base, fill);
    const old = await folderOf();
    await lease(base, '00000001');
    await store.drop(base);
    await store.add(base, fill);
    expect((await folders()).toSorted()).toEqual([old, await folderOf()].toSorted());
  });

  test('counts, and a VM whose folder is gone does not: of the rest the last used are kept', async () => {
    const bases: VmBase[] = [];
    const added: string[] = [];
    for (const [n, name] of ['a', 'b', 'c', 'd', 'e', 'f', 'g'].entries()) {
      const one = await makeBase(name);
      bases.push(one);
      await store.add(one, (aside) => fill(aside, one));
      const folder = await folderOf(one);
      added.push(folder);
      const usedAt = new Date(Date.now() - 1_000_000 + n * 1000);
      await utimes(templatePlaces(join(root, 'cache/templates', folder)).about, usedAt, usedAt);
      if (name === 'a') await lease(one, '00000001');
      if (name === 'b') await rm(await lease(one, '00000002'), { recursive: true });
    }
    // `a` is stood on; `b` was, lately; the others in the order they were made; four unused stay beside the newest.
    const left = (await folders()).toSorted();
    expect(left).toContain(added[0]);
    expect(left).toContain(added[6]);
    expect(left).toHaveLength(5);
    expect(left).not.toContain(added[2]);
  });
});
