import { rm } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../lib/clock.ts';

/**
 * Connections that come out of a leaving gateway's tunnel belong to the next one: they are carried there over a unix socket.
 *
 *   leaving: `VM\n` -> next: `\n` -> from here on the guest's own bytes, both ways
 */
export interface Carrying {
  close(): Promise<void>;
}

const maxNameBytes = 300;
const retryMs = 100;
/** As long as the guest's relay holds a request. */
const patienceMs = 60_000;

export async function listenForCarried(path: string, accept: (vm: string, stream: Duplex) => void): Promise<Carrying> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (bytes: Buffer) => {
      const line = bytes.toString('latin1');
      if (!line.endsWith('\n') || line.length > maxNameBytes) return void socket.destroy();
      accept(line.slice(0, -1), socket);
      socket.write('\n');
    });
  });
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return {
    // What is open goes on; the path is free at once.
    close: async () => void server.close(),
  };
}

/** A connection to whichever gateway is there now, as if it came out of that VM's tunnel; waits for one. */
export async function reach(path: string, vm: string, clock: Clock, signal: AbortSignal): Promise<Socket> {
  const latest = clock.now() + patienceMs;
  for (;;) {
    try {
      return await connect(path, vm, signal);
    } catch (error) {
      if (signal.aborted || clock.now() >= latest) throw error;
      await clock.sleep(retryMs, signal);
    }
  }
}

function connect(path: string, vm: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    const stop = () => socket.destroy(new Error('called off'));
    signal.addEventListener('abort', stop, { once: true });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the next gateway hung up')));
    socket.once('connect', () => socket.write(`${vm}\n`));
    socket.once('data', () => {
      signal.removeEventListener('abort', stop);
      socket.off('error', reject);
      socket.pause();
      resolve(socket);
    });
  });
}

/** Bytes both ways until either side is gone. */
export async function carry(stream: Duplex, reached: (signal: AbortSignal) => Promise<Socket>): Promise<void> {
  const gone = new AbortController();
  stream.once('close', () => gone.abort());
  stream.on('error', () => stream.destroy());
  try {
    const socket = await reached(gone.signal);
    socket.on('error', () => socket.destroy());
    if (stream.destroyed) return void socket.destroy();
    stream.once('close', () => socket.destroy());
    socket.once('close', () => stream.destroy());
    stream.pipe(socket);
    socket.pipe(stream);
  } catch {
    stream.destroy();
  }
}
