import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { FleetError } from '../lib/errors.ts';

/** What a command in a guest gave back; `output` is empty where it was handed on piece by piece. */
export interface Exchange {
  exitCode: number;
  output: Uint8Array;
  /** The last part of stderr. */
  said: Uint8Array;
}

export interface ExchangeLimits {
  what: string;
  /** More output than this ends the command with `too_large`. */
  maxBytes: number;
  input?: Uint8Array | Readable;
  onOutput?: (chunk: Uint8Array) => Promise<void>;
}

const maxSaid = 1024 * 1024;

/**
 * The exit code of a channel's command, once the channel is closed and its place free; null when the connection broke. To be asked
 * for in the very call that hands the channel over: what a quick command sends may have come all at once, and is told without a pause.
 */
export function exitOf(channel: ClientChannel): Promise<number | null> {
  let exitCode: number | null = null;
  channel.once('exit', (code: number | null) => {
    exitCode = code;
  });
  return new Promise((resolve) => channel.once('close', () => resolve(exitCode)));
}

/** Runs a channel to its end: input in, output out, both bounded. Without an exit code the connection broke. */
export async function exchange(
  channel: ClientChannel,
  exit: Promise<number | null>,
  call: ExchangeLimits,
): Promise<Exchange> {
  channel.on('error', () => {});
  const said = keepTail(channel.stderr);
  const fed = feed(channel, call.input);
  fed.catch(() => endChannel(channel));
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of channel as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > call.maxBytes) {
      endChannel(channel);
      throw new FleetError('too_large', `The guest sent more than ${call.maxBytes} bytes when asked to ${call.what}.`);
    }
    if (call.onOutput) await call.onOutput(chunk);
    else chunks.push(chunk);
  }
  const exitCode = await exit;
  await fed;
  if (exitCode === null) throw new Error('the command was cut off');
  return { exitCode, output: Buffer.concat(chunks), said: said() };
}

/**
 * Closing a channel does not end the command in the guest, unless it writes again. The signal does where sshd passes it on, which it does
 * not in root's sessions: who must be sure ends it in the guest (`ralph-shell` looks for the reader of its output).
 */
export function endChannel(channel: ClientChannel): void {
  if (channel.destroyed) return;
  channel.signal('TERM');
  channel.destroy();
}

/** The channel takes no more once the command has gone; that is for its exit code to tell. */
async function feed(channel: ClientChannel, input: Uint8Array | Readable | undefined): Promise<void> {
  if (!(input instanceof Readable)) {
    channel.end(input);
    return;
  }
  const gone = once(channel, 'close').catch(() => {});
  for await (const chunk of input) {
    if (channel.destroyed || !channel.writable) break;
    if (!channel.write(chunk)) await Promise.race([once(channel, 'drain'), gone]);
  }
  channel.end();
}

function keepTail(stream: Readable): () => Uint8Array {
  let kept = Buffer.alloc(0);
  stream.on('error', () => {});
  stream.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-maxSaid);
  });
  return () => kept;
}
