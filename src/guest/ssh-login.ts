import { readFile } from 'node:fs/promises';
import { NodeSSH } from 'node-ssh';
import type { Client } from 'ssh2';
import type { GuestEndpoint } from '../domain/endpoint.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import { type GuestSocket, openGuestSocket } from './guest-socket.ts';

export interface Login {
  /** For messages: `rf-1a2b3c4d`. */
  vm: string;
  endpoint: GuestEndpoint;
  /** `ssh-ed25519 AAAA…`; compared byte for byte. */
  hostKey: string;
  user: string;
  keyFile: string;
  /** How long the guest may take to say its first word, and to let us in after that. */
  bannerMs: number;
  loginMs: number;
}

export interface LoggedIn {
  client: Client;
  socket: GuestSocket;
}

/** One try to log in. `guest_untrusted` for another host key, `guest_unreachable` for everything else. */
export async function logIn(login: Login, clock: Clock): Promise<LoggedIn> {
  const pinned = decodeHostKey(login);
  const privateKey = await readKey(login);
  const socket = openGuestSocket(login.endpoint);
  const ssh = new NodeSSH();
  let offered: Buffer | null = null;
  const connecting = ssh.connect({
    sock: socket.stream,
    username: login.user,
    privateKey,
    readyTimeout: login.bannerMs + login.loginMs,
    keepaliveInterval: 10_000,
    keepaliveCountMax: 6,
    algorithms: { serverHostKey: ['ssh-ed25519'] },
    hostVerifier: (key: Buffer) => {
      offered = key;
      return key.equals(pinned);
    },
  });
  connecting.catch(() => {});
  const silence = new AbortController();
  try {
    await Promise.race([socket.greeted, silenceAfter(login.bannerMs, clock, silence.signal)]);
    await connecting;
    const client = ssh.connection;
    if (client === null) throw new Error('the connection ended at once');
    // node-ssh takes its listener away; without one an error would end the process. `close` follows and says it.
    client.on('error', () => {});
    return { client, socket };
  } catch (cause) {
    ssh.connection?.on('error', () => {});
    ssh.dispose();
    socket.stream.on('error', () => {});
    socket.stream.destroy();
    if (offered !== null && !pinned.equals(offered)) throw untrusted(login);
    throw new FleetError('guest_unreachable', `Cannot log in to \`${login.vm}\` at ${where(login.endpoint)}.`, {
      cause,
    });
  } finally {
    silence.abort();
  }
}

async function silenceAfter(ms: number, clock: Clock, signal: AbortSignal): Promise<never> {
  await clock.sleep(ms, signal);
  throw new Error(`the guest said nothing in ${ms} ms`);
}

async function readKey(login: Login): Promise<string> {
  try {
    return await readFile(login.keyFile, 'utf8');
  } catch (cause) {
    throw new FleetError('storage', `Cannot read the key for guests, \`${login.keyFile}\`.`, { cause });
  }
}

function decodeHostKey(login: Login): Buffer {
  const [kind, body] = login.hostKey.trim().split(/\s+/);
  const key = Buffer.from(body ?? '', 'base64');
  // A wire-format ed25519 key is 51 bytes.
  if (kind !== 'ssh-ed25519' || key.length !== 51) {
    throw new FleetError('guest_untrusted', `The pinned host key of \`${login.vm}\` is no ed25519 key.`, {
      remedy: 'Make the VM anew: its host key must be read over the trusted channel.',
    });
  }
  return key;
}

function untrusted(login: Login): FleetError {
  return new FleetError(
    'guest_untrusted',
    `What answers as \`${login.vm}\` at ${where(login.endpoint)} has another host key than the VM had.`,
    { remedy: 'It is not the VM that was started, or its key was changed from inside. Delete the VM.' },
  );
}

function where(endpoint: GuestEndpoint): string {
  return endpoint.kind === 'unix' ? `\`${endpoint.path}\`` : `\`${endpoint.host}:${endpoint.port}\``;
}
