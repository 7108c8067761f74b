import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { httpStatusOf, toErrorBody } from '../contract/errors.ts';
import { shellPath, shellUpgrade } from '../contract/route-paths.ts';
import { shellFrames, shellScreen, shellStart } from '../contract/shell.ts';
import { asFleetError, FleetError } from '../lib/errors.ts';
import { createFrameReader, type Frame, toFrame } from '../lib/frames.ts';
import type { ApiDeps, ShellStream } from './deps.ts';
import { decode, readUrl } from './url.ts';

const shellUrl = new RegExp(`^${shellPath.replace(':id', '([^/]+)')}$`);

export function isShell(request: IncomingMessage): boolean {
  return request.headers.upgrade === shellUpgrade;
}

/** HTTP upgrade to a shell in a VM, see `contract/shell.ts`. What is refused before it begins is an ordinary answer. */
export async function openShell(deps: ApiDeps, request: IncomingMessage, socket: Duplex): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    const found = shellUrl.exec(readUrl(request).pathname);
    if (!found) throw new FleetError('not_found', 'There is no such upgrade.');
    const vm = deps.shellVm(decode(found[1] ?? ''));
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${shellUpgrade}\r\n\r\n`);
    await talk(deps, vm, socket);
  } catch (error) {
    const failure = asFleetError(error);
    const body = JSON.stringify(toErrorBody(failure));
    const head = `HTTP/1.1 ${httpStatusOf(failure.code)} Refused\r\ncontent-type: application/json\r\nconnection: close\r\n`;
    socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }
}

async function talk(deps: ApiDeps, vm: string, socket: Duplex): Promise<void> {
  const send = (kind: number, bytes: Uint8Array) => socket.write(toFrame(kind, bytes));
  const say = (kind: number, document: unknown) => send(kind, Buffer.from(JSON.stringify(document)));
  let shell: ShellStream | null = null;
  // Whoever leaves while it is being opened leaves nothing behind.
  socket.once('close', () => shell?.close());
  try {
    for await (const { kind, bytes } of framesOf(socket)) {
      if (shell === null && kind === shellFrames.start) {
        shell = await deps.shell(vm, shellStart.parse(parse(bytes)));
        if (socket.destroyed) shell.close();
        void answer(shell, socket, { send, say });
      } else if (shell !== null) await take(shell, kind, bytes);
      else throw new FleetError('usage', 'A shell begins with what is wanted.');
    }
    socket.destroy();
  } catch (error) {
    if (!socket.destroyed) say(shellFrames.failed, toErrorBody(asFleetError(error)));
    socket.end();
  } finally {
    shell?.close();
  }
}

async function take(shell: ShellStream, kind: number, bytes: Uint8Array): Promise<void> {
  if (kind === shellFrames.end) shell.stdin.end();
  else if (kind === shellFrames.resize) {
    const { cols, rows } = shellScreen.parse(parse(bytes));
    shell.resize(cols, rows);
  } else if (kind === shellFrames.stdin && shell.stdin.writable && !shell.stdin.write(bytes)) {
    await Promise.race([once(shell.stdin, 'drain'), shell.exit]);
  }
}

async function answer(
  shell: ShellStream,
  socket: Duplex,
  { send, say }: { send: (kind: number, bytes: Uint8Array) => boolean; say: (kind: number, document: unknown) => void },
): Promise<void> {
  const gone = once(socket, 'close').catch(() => {});
  const pass = async (stream: NodeJS.ReadableStream, kind: number) => {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      if (socket.destroyed) return;
      if (!send(kind, chunk)) await Promise.race([once(socket, 'drain'), gone]);
    }
  };
  await Promise.all([pass(shell.stdout, shellFrames.stdout), pass(shell.stderr, shellFrames.stderr)]).catch(() => {});
  const code = await shell.exit;
  if (socket.destroyed) return;
  say(shellFrames.exit, { code });
  socket.end();
}

async function* framesOf(socket: Duplex): AsyncGenerator<Frame> {
  const read = createFrameReader();
  // What goes wrong is still to be said through it.
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) yield* read(chunk as Uint8Array);
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
