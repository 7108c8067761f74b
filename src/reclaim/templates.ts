import type { Disk } from '../domain/disk.ts';
import type { VmSize } from '../domain/vm.ts';
import type { Driver, VmBase } from '../drivers/driver.ts';
import type { Sweep } from './sweep.ts';

export interface TemplateDeps {
  driver: Pick<Driver, 'canFork' | 'idleTemplates' | 'removeTemplate'>;
  disks: () => readonly Disk[];
  size: () => VmSize;
}

/** Templates that no VM stands on, and that fit nothing this fleet would start now: another size, disk, hypervisor or kernel. */
export function createTemplateSweep({ driver, disks, size }: TemplateDeps): Sweep {
  return async () => {
    if (!driver.canFork) return [];
    const wanted = disks().flatMap(({ key, path, phase, boot }): VmBase[] =>
      phase === 'ready' && path !== null ? [{ disk: key, base: path, boot, size: size() }] : [],
    );
    const idle = await driver.idleTemplates(wanted);
    return idle.map(({ name, sizeBytes }) => ({
      kind: 'template',
      name,
      why: 'fits nothing this fleet would start',
      sizeBytes,
      remove: () => driver.removeTemplate(name),
    }));
  };
}
