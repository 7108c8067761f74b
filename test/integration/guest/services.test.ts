import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Guests } from '../../../src/guest/guest.ts';
import { createSystemClock } from '../../../src/lib/clock.ts';
import { startServices } from '../../../src/reconcile/execute/services.ts';
import { type LocalGuest, startLocalGuest } from './fixture.ts';

let guest: LocalGuest;
let guests: Guests;
let home: string;

beforeAll(async () => {
  guest = await startLocalGuest();
  home = join(guest.root, 'home', guest.user);
  const own = guest.daemon();
  guests = { ...own, startJob: (vm, job) => own.startJob(vm, { ...job, user: guest.user, cwd: home }) };
});
afterAll(() => guest.close());

const start = (services: Parameters<typeof startServices>[2], seconds?: number) =>
  startServices({ guests, clock: createSystemClock() }, guest.address, services, seconds);

describe('services of a project', () => {
  it('returns when they can be used, and starts none twice', async () => {
    const run = `echo began >>count; sleep 1; touch '${home}/up'; exec sleep 600`;
    const services = [
      { name: 'db', run, ready: 'test -e up && echo "it\'s up"' },
      { name: 'at-once', run: 'exec sleep 600', ready: null },
    ];
    expect(await start(services)).toEqual([]);
    expect(await readFile(join(home, 'up'), 'utf8')).toBe('');
    expect(await start(services)).toEqual([]);
    expect(await readFile(join(home, 'count'), 'utf8')).toBe('began\n');
    const running = (await guests.jobs(guest.address)).filter((job) => job.state === 'running').map((job) => job.id);
    expect(running.toSorted()).toEqual(['sv-at-once', 'sv-db']);
    for (const id of running) await guests.stopJob(guest.address, id, 0);
  });

  it('says of each that is not there why, with its last words', async () => {
    const gone = { name: 'gone', run: 'echo no port left; exit 3', ready: 'true; false' };
    expect(await start([gone])).toEqual(['The service `gone` ended with exit code 3.\nno port left']);
    const deaf = { name: 'deaf', run: 'exec sleep 600', ready: 'test -e never' };
    expect(await start([deaf], 2)).toEqual(['The service `deaf` was not ready after 2 s.']);
    for (const id of ['sr-gone', 'sv-deaf']) await guests.stopJob(guest.address, id, 0);
  });
});
