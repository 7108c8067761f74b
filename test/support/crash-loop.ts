import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDaemon } from '../../src/client/ensure-daemon.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { isFleetError } from '../../src/lib/errors.ts';
import type { FleetHome } from './fleet-home.ts';

/** Starts the daemon again and again while it is killed at each of the named points, one after the other as it comes to them. */
export interface CrashLoop {
  /** Where it was killed so far. */
  crashed(): Promise<string[]>;
  /** A call that is made again when the daemon died under it. */
  insist<T>(call: () => Promise<T>): Promise<T>;
  /** No more crashes: the daemon that runs at the end has no crash point. */
  stop(): Promise<void>;
}

export function startCrashLoop(home: FleetHome, points: readonly string[]): CrashLoop {
  const clock = createSystemClock();
  let stopped = false;
  const crashed = async () => {
    const log = await readFile(join(home.paths.logs, 'daemon.log'), 'utf8').catch(() => '');
    return [...log.matchAll(/^\{"msg":"crash point","point":"([a-z_:]+)"\}$/gm)].map((found) => found[1] ?? '');
  };
  const ensure = (wanted: string) =>
    ensureDaemon({ paths: home.paths, clock, env: { ...home.env, RALPH_FLEET_CRASH: wanted } });
  const keep = (async () => {
    while (!stopped) {
      const done = new Set(await crashed());
      // It may be killed before it is ready: that is what this is for.
      await ensure(points.filter((point) => !done.has(point)).join(',')).catch(() => {});
      await clock.sleep(150);
    }
  })();
  return {
    crashed,
    async insist(call) {
      for (;;) {
        try {
          return await call();
        } catch (error) {
          if (!isFleetError(error, 'daemon_unavailable')) throw error;
          await clock.sleep(200);
        }
      }
    },
    async stop() {
      stopped = true;
      await keep;
      await home.cli(['daemon', 'stop']);
      await ensure('');
    },
  };
}
