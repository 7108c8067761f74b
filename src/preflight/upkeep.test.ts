import { describe, expect, it } from 'vitest';
import { checks, context, find, upkeep } from '../../test/support/preflight-context.ts';
import { FleetError } from '../lib/errors.ts';
import { mendAll } from './mend.ts';
import { runPreflight } from './preflight.ts';

describe('upkeep', () => {
  const left = (name: string, remove: () => Promise<void>) =>
    ({ kind: 'leftover', name, why: 'half built', sizeBytes: 3 * 2 ** 20, remove }) as const;

  it('says what the cache holds', async () => {
    expect((await find('cache', context())).found).toBe('1 image, 0 prepared disks, 2 templates, 900 MiB');
  });

  it('mends one thing after the other, each told before and after; what fails keeps nothing back', async () => {
    const told: string[] = [];
    const gone: string[] = [];
    const leftovers = async () => [
      left('/c/.a', () => Promise.reject(new FleetError('storage', 'busy'))),
      left('/c/.b', async () => void gone.push('b')),
    ];
    const ctx = context({ upkeep: upkeep({ leftovers }) });
    const result = await runPreflight(ctx, checks);
    expect(result).toMatchObject({ ready: true, warned: 1 });
    expect(gone).toEqual([]);
    const mended = await mendAll(result, {
      before: (what) => void told.push(what),
      after: ({ how }) => void told.push(how),
    });
    expect(told).toEqual(['remove /c/.a (half built, 3 MiB)', 'busy', 'remove /c/.b (half built, 3 MiB)', 'removed']);
    expect(mended.map(({ check, done }) => [check, done])).toEqual([
      ['leftovers', false],
      ['leftovers', true],
    ]);
  });

  it('says what snapshots take, and which were cut off or are nobody’s', async () => {
    const host = { ...context().host, exists: async () => true };
    const look = async (sizes: (number | null)[], more = {}) => {
      const snapshots = new Map(sizes.map((bytes, n) => [`5a9e000${n}`, bytes]));
      const space = async () => ({ vms: new Map(), snapshots });
      const { state, found } = await find(
        'snapshots',
        context({ driver: async () => ({ ...(await context().driver()), space }), ...more }),
      );
      return [state, found];
    };
    const size = 300 * 2 ** 20;
    expect(await look([], { host })).toEqual(['ok', 'none']);
    expect(await look([size, size], { host })).toEqual(['ok', '2 snapshots, 600 MiB']);
    expect(await look([size, null], { host })).toEqual(['warn', '1 snapshot, 300 MiB; 1 copy cut off']);
    expect(await look([size])).toEqual(['warn', '1 snapshot, 300 MiB; no database knows of them']);
    const silent = async () => ({ ...(await context().driver()), space: () => Promise.reject(new Error('no')) });
    expect((await find('snapshots', context({ driver: silent }))).state).toBe('skip');
  });

  it('names VMs that no database knows of, and lets those be that one may know', async () => {
    const driver = async () => ({
      ...(await context().driver()),
      list: async () => [{ id: '0000000a', state: 'off' as const }],
    });
    expect(await find('vms', context({ driver }))).toMatchObject({
      state: 'warn',
      found: '1 VM of this fleet, and no database knows of them: rf-0000000a',
    });
    const host = { ...context().host, exists: async () => true };
    expect(await find('vms', context({ driver, host }))).toMatchObject({ state: 'ok', found: '1 VM of this fleet' });
  });
});
