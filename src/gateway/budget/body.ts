import type { IncomingMessage } from 'node:http';

/**
 * A request's cost is only known once its body is there, so bodies are held until they go up. What one VM may have held at once is
 * bounded: more of its requests wait unread, and others are not in their way.
 */
export interface Bodies {
  /** Throws `BodyTooLarge`, or the signal's reason. */
  read(vm: string, req: IncomingMessage, signal: AbortSignal): Promise<HeldBody>;
}

export interface HeldBody {
  bytes: Buffer;
  /** Gives its room back; the bytes are no longer needed here. */
  release(): void;
}

export class BodyTooLarge extends Error {}

export interface BodyLimits {
  maxBytes: number;
  /** Of all that one VM has under way. */
  perVmBytes: number;
}

export function createBodies({ maxBytes, perVmBytes }: BodyLimits): Bodies {
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
      const announced = Number(req.headers['content-length'] ?? maxBytes);
      if (!(announced <= maxBytes)) throw new BodyTooLarge(tooLarge(maxBytes));
      const release = await take(vm, announced, signal);
      const stop = () => req.destroy(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      try {
        signal.throwIfAborted();
        return { bytes: await readAll(req, announced), release };
      } catch (error) {
        release();
        throw error;
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
  };
}

function tooLarge(maxBytes: number): string {
  return `A request is at most ${maxBytes / 1024} KiB.`;
}

/** By events: an iterator would take every piece several turns of the event loop. */
function readAll(req: IncomingMessage, most: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let held = 0;
  return new Promise((resolve, reject) => {
    const take = (piece: Buffer) => {
      held += piece.length;
      pieces.push(piece);
      if (held <= most) return;
      // The request outlives a refused upload: its connection must still carry the answer.
      req.off('data', take).pause();
      reject(new BodyTooLarge(tooLarge(most)));
    };
    req.on('data', take);
    req.once('end', () => resolve(pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)));
    req.once('error', reject);
    req.once('close', () => reject(new Error('the client hung up')));
  });
}
