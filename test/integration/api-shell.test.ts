import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ApiDeps, ShellStream } from '../../src/api/deps.ts';
import { startApi } from '../../src/api/server.ts';
import { createClient } from '../../src/client/client.ts';
import { shellFrames } from '../../src/contract/shell.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { FleetError } from '../../src/lib/errors.ts';
import { createFrameReader, type Frame, toFrame } from '../../src/lib/frames.ts';
import { createSilentLog } from '../../src/lib/log.ts';

/** The API's shell over a real socket, with a stand-in for the guest's. */
const clock = createSystemClock();
let folder: string;
let api: { close(): Promise<void> };
let shell: ShellStream & { stdin: PassThrough };
let asked: unknown[];
let closed: Promise<void>;
let opening: () => Promise<void>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rf-shell-'));
  asked = [];
  opening = async () => {};
  let close = () => {};
  closed = new Promise((resolve) => {
    close = resolve;
  });
  shell = {
    ...{ stdin: new PassThrough(), stdout: Readable.from([]), stderr: Readable.from([]), exit: Promise.resolve(0) },
    resize: (...size) => void asked.push(size),
    close,
  };
  const deps: Pick<ApiDeps, 'log' | 'shellVm' | 'shell'> = {
    log: createSilentLog(),
    shellVm(word) {
      if (word === 'rf-0000000a') return '0000000a';
      throw new FleetError('not_found', `There is no VM, Ralph or task \`${word}\`.`);
    },
    async shell(vm, start) {
      asked.push([vm, start]);
      await opening();
      return shell;
    },
  };
  api = await startApi(deps as ApiDeps, join(folder, 'd.sock'));
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const start = { argv: ['cat'], screen: null, asRoot: false };
const open = () => createClient({ socketPath: join(folder, 'd.sock'), clock }).shell('rf-0000000a');
const document = (kind: number, what: unknown) => toFrame(kind, Buffer.from(JSON.stringify(what)));

async function all(socket: AsyncIterable<Uint8Array>): Promise<{ text: Record<number, string>; frames: Frame[] }> {
  const read = createFrameReader();
  const frames: Frame[] = [];
  for await (const chunk of socket) frames.push(...read(chunk));
  const text: Record<number, string> = {};
  for (const { kind, bytes } of frames) text[kind] = (text[kind] ?? '') + Buffer.from(bytes).toString();
  return { text, frames };
}

it('hands input in, output out, and its end on', async () => {
  shell.stdout = shell.stdin.pipe(new PassThrough());
  shell.stderr = Readable.from([Buffer.from('err')]);
  shell.exit = new Promise((resolve) => shell.stdin.once('end', () => resolve(7)));
  const socket = await open();
  const input = 'x'.repeat(700_000);
  socket.write(Buffer.concat([document(shellFrames.start, start), toFrame(shellFrames.stdin, Buffer.from(input))]));
  socket.write(document(shellFrames.resize, { cols: 90, rows: 20 }));
  socket.write(toFrame(shellFrames.end, Buffer.alloc(0)));
  const { text } = await all(socket);
  expect(text[shellFrames.stdout] === input).toBe(true);
  expect([text[shellFrames.stderr], text[shellFrames.exit]]).toEqual(['err', '{"code":7}']);
  expect(asked).toEqual([
    ['0000000a', start],
    [90, 20],
  ]);
});

it('refuses an unknown VM before anything is opened', async () => {
  const client = createClient({ socketPath: join(folder, 'd.sock'), clock });
  await expect(client.shell('rf-0000000b')).rejects.toMatchObject({
    code: 'not_found',
    message: 'There is no VM, Ralph or task `rf-0000000b`.',
  });
  await expect(client.shell('../fleet')).rejects.toMatchObject({ code: 'not_found' });
});

it.each<[string, Buffer, string]>([
  [
    'what does not say what is wanted',
    toFrame(shellFrames.stdin, Buffer.from('x')),
    'A shell begins with what is wanted',
  ],
  ['what is no wish', document(shellFrames.start, { ...start, screen: { cols: -1, rows: 1 } }), 'screen'],
  ['what is no frame', Buffer.from('00ffffffff', 'hex'), '4294967295'],
])('answers %s with an error, and ends', async (_, sent, said) => {
  const socket = await open();
  socket.write(sent);
  const { text } = await all(socket);
  expect(text[shellFrames.failed]).toContain(said);
});

it('says when the guest cannot be reached', async () => {
  opening = async () => {
    throw new FleetError('guest_unreachable', 'It does not answer.');
  };
  const socket = await open();
  socket.write(document(shellFrames.start, start));
  const { text } = await all(socket);
  expect(JSON.parse(text[shellFrames.failed] ?? '')).toMatchObject({ error: { code: 'guest_unreachable' } });
});

it('who leaves ends the command, also while it is being opened', async () => {
  shell.stdout = new PassThrough();
  shell.exit = new Promise(() => {});
  const socket = await open();
  socket.write(document(shellFrames.start, start));
  opening = async () => {
    socket.destroy();
    await new Promise((resolve) => socket.once('close', resolve));
  };
  await closed;
});
