import { describe, expect, test } from 'vitest';
import { createSystemClock } from '../lib/clock.ts';
import { createSilentLog } from '../lib/log.ts';
import { resolvePaths } from '../lib/paths.ts';
import { assertWall, createDriver } from './registry.ts';

const parts = {
  exec: () => Promise.reject(new Error('nothing may be started')),
  paths: resolvePaths({ HOME: '/home/ada' }, 1000),
  log: createSilentLog(),
  clock: createSystemClock(),
};

describe('createDriver', () => {
  test('auto is libvirt on Linux, and starts nothing', () => {
    const driver = createDriver({ driver: 'auto', wall: 'device', name: 'f' }, parts, 'linux');
    expect(driver).toMatchObject({ name: 'libvirt', wall: 'device' });
  });

  test('refuses what it does not know', () => {
    const choose = (driver: string, platform: NodeJS.Platform) => () =>
      createDriver({ driver, wall: 'device', name: 'f' }, parts, platform);
    expect(choose('docker', 'linux')).toThrow('There is no driver `docker`.');
    expect(choose('fake', 'linux')).toThrow('There is no driver `fake`.');
    expect(choose('auto', 'win32')).toThrow('knows no driver for `win32`');
  });

  test('never takes a weaker wall than asked for', () => {
    expect(() => assertWall({ name: 'x', wall: 'guest' }, 'device')).toThrow(
      'gives wall `guest`; `device` is asked for',
    );
    expect(() => assertWall({ name: 'x', wall: 'process' }, 'device')).toThrow();
    expect(() => assertWall({ name: 'x', wall: 'device' }, 'guest')).not.toThrow();
    expect(() => assertWall({ name: 'x', wall: 'process' }, 'process')).not.toThrow();
  });
});
