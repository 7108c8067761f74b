import { createConnection, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { GuestEndpoint } from '../domain/endpoint.ts';

/**
 * The stream under an ssh connection. A virtio-serial port is one byte stream for ever: what an earlier connection left
 * behind comes first. So everything before the guest's `SSH-2.0-` is dropped. Writing is not held back: the guest starts its
 * sshd when it sees our identification.
 */
export interface GuestSocket {
  stream: Duplex;
  /** Resolves at the guest's identification, its whole line; rejects when the socket ends before it. */
  greeted: Promise<void>;
  /** Bytes received, stale ones too. */
  received(): number;
}

const greeting = Buffer.from('SSH-2.0-');
/** RFC 4253, 4.2: 255 characters with the line's end. */
const maxGreeting = 255;
/** More garbage than this in front is no leftover. */
const maxStaleBytes = 4 * 1024 * 1024;

export function openGuestSocket(endpoint: GuestEndpoint): GuestSocket {
  const socket =
    endpoint.kind === 'unix'
      ? createConnection({ path: endpoint.path })
      : createConnection({ host: endpoint.host, port: endpoint.port, noDelay: true });
  let received = 0;
  const { promise: greeted, resolve, reject } = Promise.withResolvers<void>();
  greeted.catch(() => {});
  const sift = createSift(resolve);
  const stream = wrap(socket);
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    const kept = sift(chunk);
    if (kept === null) stream.destroy(new Error('the guest sent megabytes that are no ssh'));
    else if (kept.length > 0 && !stream.push(kept)) socket.pause();
  });
  socket.on('end', () => stream.push(null));
  socket.on('error', (error) => stream.destroy(error));
  socket.on('close', () => {
    reject(new Error('the connection ended before the guest said anything'));
    stream.destroy();
  });
  stream.on('error', reject);
  return { stream, greeted, received: () => received };
}

function wrap(socket: Socket): Duplex {
  return new Duplex({
    read: () => void socket.resume(),
    write: (chunk: Buffer, _encoding, done) => void socket.write(chunk, done),
    final: (done) => void socket.end(done),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
}

/** Drops up to the greeting, however it is cut; null when it never comes. */
function createSift(onGreeting: () => void): (chunk: Buffer) => Buffer | null {
  let held: Buffer | null = Buffer.alloc(0);
  let dropped = 0;
  return (chunk) => {
    if (held === null) return chunk;
    const all = Buffer.concat([held, chunk]);
    const at = all.indexOf(greeting);
    if (at >= 0 && all.indexOf(10, at) < 0) {
      held = all.subarray(at);
      return held.length > maxGreeting ? null : Buffer.alloc(0);
    }
    if (at >= 0) {
      held = null;
      onGreeting();
      return all.subarray(at);
    }
    const kept = Math.min(all.length, greeting.length - 1);
    dropped += all.length - kept;
    held = all.subarray(all.length - kept);
    return dropped > maxStaleBytes ? null : Buffer.alloc(0);
  };
}
