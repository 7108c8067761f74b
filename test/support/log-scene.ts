import { appendFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock } from '../../src/lib/clock.ts';
import { redact } from '../../src/lib/log.ts';
import { createLoki } from '../../src/telemetry/logs/loki.ts';
import { createRelay, type Relay } from '../../src/telemetry/logs/relay.ts';
import type { LogSource } from '../../src/telemetry/logs/source.ts';

/** A folder with log files and relays over it, in this process. */
export interface LogScene {
  folder: string;
  cursorFile: string;
  daemonLog: string;
  sources: LogSource[];
  /** What the relays said. */
  said: { msg: string; fields: Record<string, unknown> }[];
  /** Starts a relay; ending it is like the end of its process: what is under way is cut off. */
  start(url: string, deadlineMs?: number): { relay: Relay; stop(): Promise<void> };
  append(path: string, lines: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const clock = createSystemClock();

export async function createLogScene(): Promise<LogScene> {
  const folder = await mkdtemp(join(tmpdir(), 'rf-logs-'));
  await mkdir(join(folder, 'logs'));
  const daemonLog = join(folder, 'logs', 'daemon.log');
  const running = new Set<() => Promise<void>>();
  const said: LogScene['said'] = [];
  const note = (fields: unknown, msg?: string) =>
    void said.push(msg === undefined ? { msg: String(fields), fields: {} } : { msg, fields: fields as never });
  const scene: LogScene = {
    folder,
    cursorFile: join(folder, 'cursor.json'),
    daemonLog,
    sources: [fileSource('daemon', daemonLog)],
    said,
    start(url, deadlineMs = 5_000) {
      const end = new AbortController();
      const relay = createRelay({
        ...{ fleet: 'main', hide: redact, clock, cursorFile: scene.cursorFile },
        loki: createLoki({ url, deadlineMs }),
        log: { info: note, warn: note },
        sources: () => scene.sources,
      });
      const ran = relay.run(end.signal);
      const stop = async () => {
        running.delete(stop);
        end.abort();
        await ran;
      };
      running.add(stop);
      return { relay, stop };
    },
    append: (path, lines) => appendFile(path, lines.map((line) => `${line}\n`).join('')),
    async close() {
      for (const stop of running) await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return scene;
}

export function fileSource(kind: LogSource['kind'], path: string, more: Partial<LogSource> = {}): LogSource {
  return { key: kind, kind, path, labels: {}, ids: {}, endedAt: null, ...more };
}

/** Lines as pino writes them, numbered. */
export function pinoLines(from: number, count: number, at = Date.now()): string[] {
  return Array.from({ length: count }, (_, n) =>
    JSON.stringify({ level: 30, time: new Date(at).toISOString(), step: 'start_vm', n: from + n, msg: 'a step ended' }),
  );
}
