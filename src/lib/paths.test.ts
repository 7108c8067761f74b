import { describe, expect, test } from 'vitest';
import { resolvePaths } from './paths.ts';

describe('resolvePaths', () => {
  test('puts everything in the home of a usual user', () => {
    const paths = resolvePaths({ HOME: '/home/ada' }, 1000);
    expect(paths.vms).toBe('/home/ada/.local/state/ralph-fleet/vms');
    expect(paths.images).toBe('/home/ada/.cache/ralph-fleet/images');
    expect(paths.runtime).toBe('/home/ada/.local/state/ralph-fleet/run');
  });

  test('for root only disks, images and sockets leave the closed home', () => {
    const paths = resolvePaths({ HOME: '/root', XDG_RUNTIME_DIR: '/run/user/0' }, 0);
    expect(paths.vms).toBe('/var/lib/ralph-fleet/vms');
    expect(paths.images).toBe('/var/cache/ralph-fleet/images');
    expect(paths.runtime).toBe('/run/ralph-fleet');
    expect(paths.keys).toBe('/root/.local/state/ralph-fleet/keys');
    expect(paths.fleetDb).toBe('/root/.local/state/ralph-fleet/fleet.db');
  });

  test('XDG variables hold for root too, and so does another home', () => {
    const env = { HOME: '/root', XDG_STATE_HOME: '/tmp/s', XDG_CACHE_HOME: '/tmp/c', XDG_RUNTIME_DIR: '/tmp/r' };
    const paths = resolvePaths(env, 0);
    expect(paths.vms).toBe('/tmp/s/ralph-fleet/vms');
    expect(paths.images).toBe('/tmp/c/ralph-fleet/images');
    expect(paths.runtime).toBe('/tmp/r/ralph-fleet');
    expect(resolvePaths({ HOME: '/tmp/h' }, 0).vms).toBe('/tmp/h/.local/state/ralph-fleet/vms');
  });

  test('a place that is no absolute path is refused: each process would look for it in another folder', () => {
    for (const name of ['HOME', 'XDG_CONFIG_HOME', 'XDG_STATE_HOME', 'XDG_CACHE_HOME', 'XDG_RUNTIME_DIR'])
      expect(() => resolvePaths({ HOME: '/h', [name]: './x' }, 1000)).toThrow(
        `\`${name}\` is \`./x\`, which is no absolute`,
      );
    expect(resolvePaths({ HOME: '/h', XDG_STATE_HOME: '', XDG_RUNTIME_DIR: '' }, 1000).state).toBe(
      '/h/.local/state/ralph-fleet',
    );
  });

  test('a folder too deep for sockets gets a short one', () => {
    const paths = resolvePaths({ HOME: `/home/${'x'.repeat(90)}` }, 1000);
    expect(`${paths.runtime}/vm-00000000-gateway.sock`.length).toBeLessThan(104);
  });
});
