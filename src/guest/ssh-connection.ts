import type { Readable } from 'node:stream';
import type { Client, ClientChannel, PseudoTtyOptions } from 'ssh2';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError, isFleetError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { type Exchange, type ExchangeLimits, endChannel, exchange, exitOf } from './exchange.ts';
import { type LoggedIn, type Login, logIn } from './ssh-login.ts';

/**
 * One ssh connection to one port of a VM, kept open, made anew when it broke. A call on a broken connection fails and the next
 * one reconnects. sshd allows ten channels in a connection; more calls than that wait here.
 */
export interface SshConnection {
  /** Runs a command to its end, within the deadline. `what` names the try in errors. */
  run(command: string, call: Call): Promise<Exchange>;
  /** A channel for somebody to talk to a command, with a terminal or without; the caller ends it. */
  openTerminal(command: string, pty: PseudoTtyOptions | null, deadlineMs: number): Promise<OpenChannel>;
  close(): void;
}

export interface Call extends ExchangeLimits {
  what: string;
  deadlineMs: number;
  input?: Uint8Array | Readable;
  /** Exit codes that are an answer; default [0]. */
  okExitCodes?: readonly number[];
  onOutput?: (chunk: Uint8Array) => Promise<void>;
}

/** Half of what sshd allows: a busy one reads the next opening together with the end before it, and still counts both. */
const maxChannels = 5;

export function createSshConnection(login: Login, deps: { clock: Clock; log: Log; retryMs: number }): SshConnection {
  const { clock, log } = deps;
  let live: Promise<LoggedIn> | null = null;
  let closed = false;
  let used = 0;
  const queue: (() => void)[] = [];

  /** The live connection, or a new one; tries again while there is time, because a port may need a moment to come back. */
  function connected(): Promise<LoggedIn> {
    if (live !== null) return live;
    const made = connect();
    live = made;
    const forget = () => {
      if (live === made) live = null;
    };
    made.then(({ client }) => client.once('close', forget), forget);
    return made;
  }

  async function connect(): Promise<LoggedIn> {
    const giveUpAt = clock.now() + deps.retryMs;
    for (let attempt = 1; ; attempt++) {
      // A guest that needs longer than the first patience gets more each time.
      const patience = { bannerMs: login.bannerMs * Math.min(attempt, 4) };
      try {
        return await logIn({ ...login, ...patience }, clock);
      } catch (error) {
        log.debug({ vm: login.vm, attempt, err: String(error) }, 'guest login failed');
        const wait = backoffMs(attempt, 100, 2000);
        if (!isFleetError(error, 'guest_unreachable') || closed || clock.now() + wait >= giveUpAt) throw error;
        await clock.sleep(wait);
      }
    }
  }

  function drop(connection: LoggedIn): void {
    connection.client.end();
    connection.socket.stream.destroy();
  }

  async function takeSlot(): Promise<void> {
    if (used < maxChannels) used++;
    else await new Promise<void>((resolve) => queue.push(resolve));
  }

  function giveSlot(): void {
    const next = queue.shift();
    if (next === undefined) used--;
    else next();
  }

  /** A channel, and the connection it belongs to. */
  async function open(command: string, pty: PseudoTtyOptions | null, on: Progress): Promise<OpenChannel> {
    on.connection = await connected();
    if (on.over) throw new Error('too late');
    const opened = await execOn(on.connection.client, command, pty);
    on.channel = opened.channel;
    if (on.over) endChannel(opened.channel);
    return opened;
  }

  /** Fails with `guest_timed_out` at the deadline, ends the channel, and the connection too when it shows no life. */
  async function within<T>(what: string, deadlineMs: number, on: Progress, work: () => Promise<T>): Promise<T> {
    if (closed) throw unreachable(login.vm, what, new Error('connections are closed'));
    const timer = new AbortController();
    const heardBefore = () => on.connection?.socket.received() ?? 0;
    const atDeadline = clock.sleep(deadlineMs, timer.signal).then((): never => {
      throw new FleetError('guest_timed_out', `\`${login.vm}\` did not ${what} within ${deadlineMs} ms.`);
    });
    const working = work();
    working.catch(() => {});
    try {
      return await Promise.race([working, atDeadline]);
    } catch (error) {
      on.over = true;
      if (on.channel) endChannel(on.channel);
      if (isFleetError(error, 'guest_timed_out') && on.connection && (!on.channel || heardBefore() === on.heard)) {
        drop(on.connection);
      }
      throw isFleetError(error) ? error : unreachable(login.vm, what, error);
    } finally {
      timer.abort();
      atDeadline.catch(() => {});
    }
  }

  return {
    run(command, call) {
      const on: Progress = { connection: null, channel: null, over: false, heard: -1 };
      return within(call.what, call.deadlineMs, on, async () => {
        await takeSlot();
        try {
          const { channel, exit } = await open(command, null, on);
          on.heard = on.connection?.socket.received() ?? 0;
          return await exchange(channel, exit, call);
        } finally {
          giveSlot();
        }
      });
    },
    openTerminal(command, pty, deadlineMs) {
      const on: Progress = { connection: null, channel: null, over: false, heard: -1 };
      return within('open a terminal', deadlineMs, on, async () => {
        await takeSlot();
        try {
          const opened = await open(command, pty, on);
          opened.channel.once('close', giveSlot);
          return opened;
        } catch (error) {
          giveSlot();
          throw error;
        }
      });
    },
    close() {
      closed = true;
      live?.then(drop, () => {});
    },
  };
}

interface Progress {
  connection: LoggedIn | null;
  channel: ClientChannel | null;
  /** The caller has gone: what still comes is ended at once. */
  over: boolean;
  heard: number;
}

export interface OpenChannel {
  channel: ClientChannel;
  /** Null when the connection broke, or a signal ended the command. */
  exit: Promise<number | null>;
}

function execOn(client: Client, command: string, pty: PseudoTtyOptions | null): Promise<OpenChannel> {
  return new Promise((resolve, reject) => {
    const onClose = () => reject(new Error('the connection broke'));
    client.once('close', onClose);
    client.exec(command, pty === null ? {} : { pty }, (error, channel) => {
      client.off('close', onClose);
      if (error) reject(error);
      else resolve({ channel, exit: exitOf(channel) });
    });
  });
}

function unreachable(vm: string, what: string, cause: unknown): FleetError {
  return new FleetError('guest_unreachable', `\`${vm}\` could not be asked to ${what}.`, { cause });
}
