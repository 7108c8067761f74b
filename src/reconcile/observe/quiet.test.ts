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
  let since: number | undefined;
  for (const { bytes = 0, calls = { open: 0, begun: 0 }, guest: seen = guest(bytes), seconds = 60 } of looks) {
    at += seconds * 1000;
    const counted = calls === null ? null : new Map([['it-1', calls]]);
    since = watch([iteration], { guests: new Map([['a', seen]]), calls: counted, now: at }).get('it-1');
  }
  return since === undefined ? null : (at - since) / 1000;
}

describe('an iteration is quiet', () => {
  it('from the first look that saw what all later ones saw', () => {
    expect(quietAfter([{}])).toBe(0);
    expect(quietAfter([{}, {}, {}])).toBe(120);
  });

  it.each<[string, Look[], number | null]>([
    ['its stream grew', [{}, {}, { bytes: 1 }, { bytes: 1 }], 60],
    ['a call was begun', [{}, {}, { calls: { open: 0, begun: 1 } }, { calls: { open: 0, begun: 1 } }], 60],
    ['a call is open', [{}, { calls: { open: 1, begun: 1 } }, { calls: { open: 1, begun: 1 } }], 0],
    ['a call was open', [{}, { calls: { open: 1, begun: 1 } }, { calls: { open: 0, begun: 1 } }], 60],
    ['the gateway began anew', [{ calls: { open: 0, begun: 7 } }, {}], 0],
    ['nobody could ask the guest', [{}, {}, { guest: away }, {}, {}], 60],
    ['nobody could ask the gateway', [{}, {}, { calls: null }, {}, {}], 60],
    ['the guest cannot be asked now', [{}, {}, { guest: away }], null],
    ['the gateway cannot be asked now', [{}, {}, { calls: null }], null],
    ['it has ended', [{}, {}, { guest: guest(0, 'ended') }], null],
    ['nobody looked for an hour', [{}, {}, { seconds: 3600 }, {}], 60],
  ])('not while, or not longer than since, %s', (_, looks, seconds) => {
    expect(quietAfter(looks)).toBe(seconds);
  });

  it('not before it runs by its row', () => {
    expect(quietAfter([{}, {}], { ...running, phase: 'started' })).toBeNull();
  });
});
