import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../lib/clock.ts';

/**
 * A request's cost is only known once its body is there, so bodies are held until they go up. What one VM may have held at once is
 * bounded: more of its requests wait unread, and others are not in their way.
 */
export interface Bodies {
  /** Throws `BodyRefused`, or the signal's reason. */
  read(vm: string, req: IncomingMessage, signal: AbortSignal): Promise<HeldBody>;
}

export interface HeldBody {
  bytes: Buffer;
  /** Gives its room back; the bytes are no longer needed here. */
  release(): void;
}

export class BodyRefused extends Error {
  readonly status: 408 | 413;
  constructor(status: 408 | 413, message: string) {
    super(message);
    this.status = status;
  }
}

/** As large as the largest that the providers take. */
const maxBodyBytes = 32 * 1024 * 1024;
const perVmBytes = 48 * 1024 * 1024;
const patienceMs = 120_000;

export function createBodies({ clock }: { clock: Clock }): Bodies {
  const rooms = new Map<string, { taken: number; waiting: Set<() => void> }>();

  async function take(vm: string, bytes: number, signal: AbortSignal): Promise<() => void> {
    const room = rooms.get(vm) ?? { taken: 0, waiting: new Set<() => void>() };
    rooms.set(vm, room);
    while (room.taken + bytes > perVmBytes) {
      await new Promise<void>((resolve, reject) => {
        const wake = () => {
          signal.removeEventListener('abort', stop);
          room.waiting.delete(wake);
          resolve();
        };
        const stop = () => {
          room.waiting.delete(wake);
          reject(signal.reason);
        };
        signal.throwIfAborted();
        signal.addEventListener('abort', stop, { once: true });
        room.waiting.add(wake);
      });
    }
    room.taken += bytes;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      room.taken -= bytes;
      if (room.taken === 0 && room.waiting.size === 0) rooms.delete(vm);
      for (const wake of [...room.waiting]) wake();
    };
  }

  return {
    read: async (vm, req, signal) => {
      const announced = Number(req.headers['content-length'] ?? maxBodyBytes);
      if (!(announced <= maxBodyBytes)) throw tooLarge();
      const release = await take(vm, announced, signal);
      try {
        return { bytes: await collect(req, announced, { clock, signal }), release };
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}

function tooLarge(): BodyRefused {
  return new BodyRefused(413, `A request is at most ${maxBodyBytes / 1024 ** 2} MiB.`);
}

async function collect(
  req: IncomingMessage,
  most: number,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<Buffer> {
  const done = new AbortController();
  const late = clock.sleep(patienceMs, AbortSignal.any([signal, done.signal])).then((): never => {
    throw new BodyRefused(408, 'The request did not arrive in time.');
  });
  late.catch(() => {}); // the body came first
  try {
    return await Promise.race([readAll(req, most), late]);
  } finally {
    done.abort();
  }
}

async function readAll(req: IncomingMessage, most: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let held = 0;
  // The request outlives a refused upload: its connection must still carry the answer.
  for await (const piece of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    held += piece.length;
    if (held > most) throw tooLarge();
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
