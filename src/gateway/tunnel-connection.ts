import { readFile } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { posix } from 'node:path';
import type { Duplex } from 'node:stream';
import { Client } from 'ssh2';
import type { Tunnel } from '../contract/gateway.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';

/**
 * One ssh connection into a guest that forwards a unix socket there to us (OpenSSH's streamlocal-forward). The guest's host
 * key must be exactly the pinned one.
 */
export interface TunnelConnection {
  /** Resolves when no new connection can come any more. */
  stopAccepting(): Promise<void>;
  /** Resolves when the connection is over, with why. */
  ended: Promise<string>;
}

export interface ConnectDeps {
  clock: Clock;
  guestSocket: string;
  accept: (stream: Duplex) => void;
}

/** A guest under software emulation takes its time for the key exchange. */
const readyTimeoutMs = 60_000;
const keepaliveMs = 10_000;
/** What one guest may hold open at once; more is refused, not queued. */
const maxStreams = 64;

export async function connectTunnel(deps: ConnectDeps, tunnel: Tunnel, signal: AbortSignal): Promise<TunnelConnection> {
  signal.throwIfAborted();
  const privateKey = await readFile(tunnel.privateKeyFile).catch((cause: unknown) => {
    throw new FleetError('storage', `Cannot read the key \`${tunnel.privateKeyFile}\`.`, { cause });
  });
  const client = new Client();
  const sock = openSocket(tunnel);
  const onAbort = () => {
    client.end();
    sock.destroy();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const ended = new Promise<string>((resolve) => {
    let last = 'connection closed';
    client.on('error', (error) => {
      last = error.message;
      sock.destroy(); // a failed key exchange would leave the guest's only port occupied
    });
    sock.on('error', (error) => {
      last = error.message;
    });
    const over = () => {
      signal.removeEventListener('abort', onAbort);
      resolve(last);
    };
    client.once('close', over);
    sock.once('close', over);
  });
  const failed = ended.then((why): never => {
    signal.throwIfAborted();
    throw new FleetError('guest_unreachable', `Cannot open an ssh connection to the guest: ${why}.`);
  });
  failed.catch(() => {}); // once the tunnel stands, its end is no failure to connect
  await Promise.race([ready(client, sock, tunnel, privateKey), failed]);
  let streams = 0;
  client.on('unix connection', (_info, accept, reject) => {
    if (streams >= maxStreams) return reject();
    const stream = dropUnread(accept());
    streams += 1;
    stream.once('close', () => {
      streams -= 1;
    });
    stream.on('error', () => stream.destroy());
    deps.accept(stream);
  });
  const answered = new AbortController();
  try {
    const late = deps.clock.sleep(readyTimeoutMs, answered.signal).then((): never => {
      throw new FleetError('guest_timed_out', `The guest did not open \`${deps.guestSocket}\` in time.`);
    });
    late.catch(() => {});
    await Promise.race([listenInGuest(client, deps.guestSocket), failed, late]);
  } catch (error) {
    onAbort();
    throw error;
  } finally {
    answered.abort();
  }
  return {
    ended,
    stopAccepting: async () => {
      const isAnswered = new Promise<void>((resolve) => {
        try {
          client.openssh_unforwardInStreamLocal(deps.guestSocket, () => resolve());
        } catch {
          resolve(); // the connection has just ended, and with it the forwarding
        }
      });
      await Promise.race([isAnswered, ended]);
    },
  };
}

/** A channel tells of its end only once all that came was read: what nobody wants any more is read and dropped. */
function dropUnread(stream: Duplex): Duplex {
  const destroy = stream.destroy.bind(stream);
  stream.destroy = (error) => {
    destroy(error);
    return stream.resume();
  };
  return stream;
}

function openSocket({ endpoint }: Tunnel): Socket {
  return endpoint.kind === 'unix'
    ? createConnection({ path: endpoint.path })
    : createConnection({ host: endpoint.host, port: endpoint.port });
}

function ready(client: Client, sock: Socket, tunnel: Tunnel, privateKey: Buffer): Promise<void> {
  const pinned = Buffer.from(tunnel.hostKey.split(/\s+/)[1] ?? '', 'base64');
  const isReady = new Promise<void>((resolve) => client.once('ready', () => resolve()));
  client.connect({
    sock,
    username: 'root',
    privateKey,
    readyTimeout: readyTimeoutMs,
    keepaliveInterval: keepaliveMs,
    keepaliveCountMax: 3,
    algorithms: { serverHostKey: ['ssh-ed25519'] },
    hostVerifier: (key: Buffer) => key.equals(pinned),
  });
  return isReady;
}

/** A gateway that was killed leaves its socket file in the guest; sshd would refuse to listen on it. */
async function listenInGuest(client: Client, path: string): Promise<void> {
  if (!/^\/[\w./-]+$/.test(path)) throw new FleetError('bug', `\`${path}\` is no path for a socket in a guest.`);
  await new Promise<void>((resolve, reject) => {
    client.exec(`mkdir -p ${posix.dirname(path)} && rm -f ${path}`, (error, channel) => {
      if (error) return reject(error);
      channel.on('close', () => resolve());
      channel.resume();
      channel.stderr.resume();
    });
  });
  await new Promise<void>((resolve, reject) => {
    client.openssh_forwardInStreamLocal(path, (error) => (error ? reject(error) : resolve()));
  });
}
