import { describe, expect, it } from 'vitest';
import type { DiskUse, HostLook } from './host.ts';
import { findPressure, pressureProblems, sayPressure } from './pressure.ts';

const keep = { keepFreeDiskGiB: 2, keepFreeMemoryMiB: 1024 };
const all: DiskUse[] = ['state', 'vms', 'images'];

function look(
  freeMiB: number,
  more: { uses?: DiskUse[]; hasBallast?: boolean; memoryMiB?: number; stalled?: number } = {},
): HostLook {
  const memory = { totalMiB: 16_000, availableMiB: more.memoryMiB ?? 9000, stalledPercent: more.stalled ?? null };
  const disks = [{ path: '/state', uses: more.uses ?? all, freeMiB }];
  return { cores: 4, memory, disks, hasBallast: more.hasBallast ?? true };
}

const level = (of: HostLook, isHolding = false) => findPressure(of, keep, isHolding)?.level ?? 'none';

describe('a disk', () => {
  it.each([
    [2048, 'none'],
    [2047, 'short'],
    [512, 'short'],
    [511, 'gone'],
  ])('with %i MiB free of 2 GiB that are kept: %s', (freeMiB, wanted) => {
    expect(level(look(freeMiB))).toBe(wanted);
  });

  it('that was short is short until there is room for the ballast and more, whoever remembers', () => {
    expect(level(look(3071, { hasBallast: false }))).toBe('short');
    expect(level(look(3072, { hasBallast: false }))).toBe('none');
    expect(level(look(2559, { uses: ['vms'] }), true)).toBe('short');
    expect(level(look(2560, { uses: ['vms'] }), true)).toBe('none');
    expect(level(look(2100, { uses: ['vms'], hasBallast: false }))).toBe('none');
  });

  it('that holds images alone freezes nothing', () => {
    expect(level(look(0, { uses: ['images'] }))).toBe('tight');
  });

  it('is told with its place, what happens and when it ends; the worst first', () => {
    const found = findPressure(look(1800, { memoryMiB: 900 }), keep, false);
    expect(found && sayPressure(found)).toBe(
      'the disk of the state folder is almost full: 1.8 GiB free at /state; VMs are frozen, with the work in them, until 3 GiB are free',
    );
    const images = findPressure(look(100, { uses: ['images'] }), keep, false);
    expect(images && sayPressure(images)).toContain('nothing new is started until 2.5 GiB are free');
  });
});

describe('memory', () => {
  const withMemory = (memoryMiB: number, stalled?: number) =>
    look(90_000, { memoryMiB, ...(stalled === undefined ? {} : { stalled }) });

  it.each([
    [1024, false, 'none'],
    [1023, false, 'tight'],
    [511, false, 'short'],
    [1023, true, 'short'],
    [1024, true, 'none'],
  ])('%i MiB available of 1 GiB that is kept, VMs frozen: %s: %s', (memoryMiB, isHolding, wanted) => {
    expect(level(withMemory(memoryMiB), isHolding)).toBe(wanted);
  });

  it('that all wait for lets nothing new begin, however much there seems to be', () => {
    expect(level(withMemory(9000, 19.9))).toBe('none');
    expect(level(withMemory(9000, 20))).toBe('tight');
  });

  it('that nobody can tell is not short', () => {
    expect(level({ ...look(90_000), memory: null })).toBe('none');
  });
});

it('needs a person only where VMs stand still', () => {
  const of = (freeMiB: number, uses: DiskUse[]) => {
    const found = findPressure(look(freeMiB, { uses }), keep, false);
    return pressureProblems(found && { ...found, since: 5 }).map(({ id, severity, since }) => [id, severity, since]);
  };
  expect(of(90_000, all)).toEqual([]);
  expect(of(100, all)).toEqual([['disk', 'error', 5]]);
  expect(of(100, ['images'])).toEqual([['disk', 'warning', 5]]);
});
