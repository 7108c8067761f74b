import { describe, expect, it } from 'vitest';
import { createCrashPoint } from './crash-point.ts';

const walk = async (wanted: string | undefined) => {
  const seen: string[] = [];
  const around = createCrashPoint(wanted, (point) => seen.push(`crash ${point}`));
  for (const kind of ['create_vm', 'ping'] as const) await around({ kind }, async () => void seen.push(kind));
  return seen;
};

describe('a crash point', () => {
  it('is only where it is named', async () => {
    expect(await walk(undefined)).toEqual(['create_vm', 'ping']);
    expect(await walk('')).toEqual(['create_vm', 'ping']);
    expect(await walk('create_vm:before,ping:after')).toEqual([
      'crash create_vm:before',
      'create_vm',
      'ping',
      'crash ping:after',
    ]);
  });

  it('lets a failure through', async () => {
    const around = createCrashPoint('ping:after', () => {});
    await expect(around({ kind: 'ping' }, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  });
});
