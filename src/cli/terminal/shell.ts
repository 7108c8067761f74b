import type { Duplex } from 'node:stream';
import { fromErrorBody } from '../../contract/errors.ts';
import { type ShellStart, shellExit, shellFrames } from '../../contract/shell.ts';
import { FleetError } from '../../lib/errors.ts';
import { createFrameReader, toFrame } from '../../lib/frames.ts';
import type { Context } from '../frame/command.ts';
import { createScreenFilter } from './filter.ts';

/** As ssh has it for a connection that broke. */
const cutOffExit = 255;

/**
 * A shell in a VM on this terminal, or one command whose input and output are this command's own. Resolves with its exit code. What a guest
 * prints comes to a terminal filtered; into a file or pipe it goes as it is.
 */
export async function runShell(context: Context, vm: string, start: ShellStart): Promise<number> {
  const socket = await context.client.shell(vm);
  const send = (kind: number, bytes: Uint8Array) => void socket.write(toFrame(kind, bytes));
  const say = (kind: number, document: unknown) => send(kind, Buffer.from(JSON.stringify(document)));
  say(shellFrames.start, start);
  const restore = takeInput(context, { isRaw: start.screen !== null, send, say });
  const stop = () => socket.destroy();
  context.signal.addEventListener('abort', stop, { once: true });
  try {
    return await show(context, socket);
  } finally {
    context.signal.removeEventListener('abort', stop);
    restore();
    socket.destroy();
    if (start.screen !== null) context.io.out('\x1b[0m\x1b[?25h');
  }
}

async function show({ io }: Context, socket: Duplex): Promise<number> {
  const read = createFrameReader();
  const screens = { out: createScreenFilter(), err: createScreenFilter() };
  const print = (bytes: Uint8Array, to: 'out' | 'err') =>
    io.bytes((to === 'out' ? io.outTty : io.errTty) ? screens[to].push(bytes) : bytes, to);
  for await (const chunk of whole(socket)) {
    for (const { kind, bytes } of read(chunk)) {
      if (kind === shellFrames.stdout) print(bytes, 'out');
      else if (kind === shellFrames.stderr) print(bytes, 'err');
      else if (kind === shellFrames.exit) return shellExit.parse(parse(bytes)).code ?? cutOffExit;
      else if (kind === shellFrames.failed) throw fromErrorBody(parse(bytes), 0);
    }
  }
  throw broken();
}

async function* whole(socket: Duplex): AsyncGenerator<Uint8Array> {
  try {
    yield* socket as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw broken(cause);
  }
}

function broken(cause?: unknown): FleetError {
  return new FleetError('daemon_unavailable', 'The connection to the shell broke.', {
    remedy: 'ralph-fleet vm list',
    cause,
  });
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}

interface Input {
  isRaw: boolean;
  send: (kind: number, bytes: Uint8Array) => void;
  say: (kind: number, document: unknown) => void;
}

/** Hands on what is typed or piped in; returns what puts the terminal back. */
function takeInput({ io }: Context, { isRaw, send, say }: Input): () => void {
  const { stdin } = io;
  // A command without input must not wait for a person's.
  if (stdin === null || (!isRaw && io.inTty)) {
    send(shellFrames.end, new Uint8Array());
    return () => {};
  }
  const onData = (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += pieceBytes) send(shellFrames.stdin, chunk.subarray(at, at + pieceBytes));
  };
  const onEnd = () => send(shellFrames.end, new Uint8Array());
  const onResize = () => say(shellFrames.resize, { cols: io.columns(), rows: io.rows() });
  if (isRaw) stdin.setRawMode?.(true);
  stdin.on('data', onData);
  stdin.on('end', onEnd);
  if (isRaw) process.stdout.on('resize', onResize);
  stdin.resume();
  return () => {
    stdin.off('data', onData);
    stdin.off('end', onEnd);
    process.stdout.off('resize', onResize);
    if (isRaw) stdin.setRawMode?.(false);
    stdin.pause();
    stdin.unref?.();
  };
}

const pieceBytes = 64 * 1024;
