import { describe, expect, it } from 'vitest';
import { anIteration, now } from '../../../test/support/rows.ts';
import type { ModelCalls } from '../../loop/ports.ts';
import type { GuestSeen } from '../plan/world.ts';
import { createQuietWatch } from './quiet.ts';

const running = anIteration({ id: 'it-1', vm: 'a' });
const guest = (streamBytes: number, state: 'running' | 'ended' = 'running'): GuestSeen => ({
  ok: true,
  jobs: new Map([['it-1', { state, streamBytes }]]),
});
const away: GuestSeen = { ok: false, reason: 'x', since: now };

interface Look {
  bytes?: number;
  calls?: ModelCalls | null;
  guest?: GuestSeen;
  seconds?: number;
}

/** For how many seconds it is known to be quiet at the last of these looks, a minute apart unless told; null: not known. */
function quietAfter(looks: Look[], iteration = running): number | null {
  const watch = createQuietWatch();
  let at = now;
  let quietMs: number | undefined;
  for (const { bytes = 0, calls = { open: 0, begun: 0 }, guest: seen = guest(bytes), seconds = 60 } of looks) {
    at += seconds * 1000;
    const counted = calls === null ? null : new Map([['it-1', calls]]);
    quietMs = watch([iteration], { guests: new Map([['a', seen]]), calls: counted, now: at }).get('it-1');
  }
  return quietMs === undefined ? null : quietMs / 1000;
}

describe('an iteration is quiet', () => {
  it('since the first look that saw what all later ones saw', () => {
    expect(quietAfter([{}])).toBe(0);
    expect(quietAfter([{}, {}, {}])).toBe(120);
  });

  it.each<[string, Look[], number | null]>([
    ['its stream grew', [{}, {}, { bytes: 1 }, { bytes: 1 }], 60],
    ['a call was begun', [{}, {}, { calls: { open: 0, begun: 1 } }, { calls: { open: 0, begun: 1 } }], 60],
    ['a call is open', [{}, { calls: { open: 1, begun: 1 } }, { calls: { open: 1, begun: 1 } }], 0],
    ['a call was open', [{}, { calls: { open: 1, begun: 1 } }, { calls: { open: 0, begun: 1 } }], 60],
    ['the gateway began anew', [{ calls: { open: 0, begun: 7 } }, {}], 0],
    ['the guest cannot be asked now', [{}, {}, { guest: away }], null],
    ['the gateway cannot be asked now', [{}, {}, { calls: null }], null],
    ['it has ended', [{}, {}, { guest: guest(0, 'ended') }], null],
  ])('not while, or not longer than since, %s', (_, looks, seconds) => {
    expect(quietAfter(looks)).toBe(seconds);
  });

  it.each<[string, Look[], number]>([
    ['the guest could not be asked', [{}, {}, { guest: away }, {}, {}], 120],
    ['the gateway could not be asked', [{}, {}, { calls: null }, {}, {}], 120],
    ['nobody looked', [{}, {}, { seconds: 3600 }, {}], 120],
    ['the clock was set back', [{}, {}, { seconds: -3600 }, {}], 120],
  ])('but for the time in which %s', (_, looks, seconds) => {
    expect(quietAfter(looks)).toBe(seconds);
  });

  it('no longer when it gave a sign while it could not be asked', () => {
    expect(quietAfter([{}, {}, { guest: away }, { bytes: 1 }])).toBe(0);
    expect(quietAfter([{}, {}, { calls: null }, { calls: { open: 0, begun: 1 } }])).toBe(0);
  });

  it('not before it runs by its row', () => {
    expect(quietAfter([{}, {}], { ...running, phase: 'started' })).toBeNull();
  });
});
