import { describe, expect, it } from 'vitest';
import { adviseSize, furtherVms, vmLimit } from './fit.ts';
import type { HostLook } from './host.ts';

const size = { cpus: 2, memoryMiB: 4096, diskGiB: 30 };
const asked = (count: number | 'auto', implementer = 3, memoryMiB = 4096) => ({
  vms: { count, size: { ...size, memoryMiB }, warm: 1, snapshots: 0 },
  roles: { implementer, reviewer: 1 },
  host: { keepFreeDiskGiB: 2, keepFreeMemoryMiB: 1024 },
});
const laptop = { memoryMiB: 16_384, cores: 8 };

describe('what a host can have at once', () => {
  it('is bounded by its memory, whatever is asked for by number', () => {
    expect(vmLimit(asked('auto'), laptop, 'kvm')).toEqual({ vms: 3, by: 'memory' });
    expect(vmLimit(asked(20), laptop, 'kvm')).toEqual({ vms: 3, by: 'memory' });
    expect(vmLimit(asked(2), laptop, 'kvm')).toEqual({ vms: 2, by: 'count' });
    expect(vmLimit(asked('auto', 3, 512), { memoryMiB: 65_536, cores: 2 }, 'kvm')).toEqual({ vms: 6, by: 'cores' });
  });

  it('is less under software emulation, which takes memory of its own', () => {
    expect(vmLimit(asked('auto', 3, 1024), { memoryMiB: 8192, cores: 8 }, 'kvm').vms).toBe(5);
    expect(vmLimit(asked('auto', 3, 1024), { memoryMiB: 8192, cores: 8 }, 'tcg').vms).toBe(4);
  });

  it('may be nothing at all', () => {
    expect(vmLimit(asked('auto', 1, 8192), { memoryMiB: 8192, cores: 4 }, 'kvm').vms).toBe(0);
  });
});

describe('advice', () => {
  const advise = (config: ReturnType<typeof asked>, host = laptop) => adviseSize(config, host, 'kvm')?.advice ?? null;

  it('is silent where all fits', () => {
    expect(advise(asked('auto', 1))).toBe(null);
    expect(advise(asked(2))).toBe(null);
  });

  it('suggests a size of which all fit, and that is true', () => {
    expect(advise(asked('auto'))).toBe(
      '5 VMs of 4 GiB are asked for, 3 fit on 16 GiB of memory: the others wait; all would with `vms: {memoryMiB: 2304}` in fleet.yaml',
    );
    expect(advise(asked('auto', 3, 2304))).toBe(null);
  });

  it('suggests fewer Ralphs where the VMs would get too small, and that is true too', () => {
    const small = { memoryMiB: 4096, cores: 2 };
    expect(advise(asked('auto', 8), small)).toBe(
      '10 VMs of 4 GiB are asked for, 0 fit on 4 GiB of memory: none can be started; what fits is `roles: {implementer: 1, reviewer: 1}` and `vms: {memoryMiB: 1024}` in fleet.yaml',
    );
    expect(vmLimit(asked('auto', 1, 1024), small, 'kvm').vms).toBe(2);
  });
});

describe('room for further VMs', () => {
  const look = (availableMiB: number, diskMiB = 90_000): HostLook => ({
    cores: 8,
    memory: { totalMiB: 16_384, availableMiB, stalledPercent: 0 },
    disks: [{ path: '/s', uses: ['state', 'vms'], freeMiB: diskMiB }],
    hasBallast: true,
  });
  const further = (of: HostLook, promised: { memoryMiB: number; residentMiB: number }[] = []) =>
    furtherVms(of, asked('auto'), promised, 'kvm');

  it('leaves to the host what is kept for it', () => {
    expect(further(look(1024 + 4296)).vms).toBe(1);
    expect(further(look(1024 + 4295)).vms).toBe(0);
  });

  it('counts what VMs there are may still take: a fork that holds little today may hold all tomorrow', () => {
    const fork = { memoryMiB: 4096, residentMiB: 296 };
    expect(further(look(1024 + 4296 + 4000), [fork])).toMatchObject({ vms: 1, owedMiB: 4000 });
    expect(further(look(1024 + 4296 + 3999), [fork]).vms).toBe(0);
    expect(further(look(1024 + 4296), [{ memoryMiB: 4096, residentMiB: 9000 }])).toMatchObject({ vms: 1, owedMiB: 0 });
  });

  it('is negative where what was promised cannot be kept any more', () => {
    expect(further(look(3000), [{ memoryMiB: 4096, residentMiB: 0 }]).vms).toBeLessThan(0);
  });

  it('is bounded by the disk too', () => {
    expect(further(look(90_000, 2048 + 2048))).toMatchObject({ vms: 2, by: 'disk' });
    expect(further({ ...look(0), memory: null, disks: [] }).vms).toBe(Infinity);
  });
});
