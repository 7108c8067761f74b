import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createForkChannel } from '../../../src/guest/fork-channel.ts';
import type { ForkIdentity } from '../../../src/guest/guest.ts';

/** A guest that says what it likes on its spare channel. */
let root: string;
let server: Server;
let heard: string[];

const machineId = '0123456789abcdef0123456789abcdef';
const identity: ForkIdentity = {
  hostname: 'rf-00000001',
  now: 1_800_000_000_123.4,
  machineId,
  entropy: 'ab'.repeat(64),
  authorizedKey: 'ssh-ed25519 AAAA ralph',
};
const key = Buffer.from(`0000000b7373682d6564323535313900000020${'cd'.repeat(32)}`, 'hex').toString('base64');
const report = {
  machineId,
  bootId: '01234567-89ab-4cde-8fab-0123456789ab',
  hostKey: `ssh-ed25519 ${key}`,
  hostname: 'rf-00000001',
  random: 'ef'.repeat(32),
  now: 1_800_000_000_623,
};

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rf-fork-'));
  heard = [];
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(root, { recursive: true, force: true });
});

/** Answers each whole line it hears with `say`. */
async function guest(say: (line: string, socket: Socket) => void, deadlineMs = 20_000) {
  const path = join(root, 'spare.sock');
  server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      for (const line of String(chunk).split('\n').filter(Boolean)) {
        heard.push(line);
        say(line, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return createForkChannel('rf-00000001', { kind: 'unix', path }, deadlineMs);
}

const line = (value: unknown) => `${JSON.stringify(value)}\n`;

describe('a fork is asked to take its identity', () => {
  test('in one line of plain words, and its answer is read', async () => {
    const channel = await guest((_, socket) => socket.write(line(report)));
    const { now, ...rest } = report;
    expect(await channel.identify(identity)).toEqual({ ...rest, clockOffsetMs: expect.closeTo(499.6, 3) });
    expect(heard).toHaveLength(1);
    const words = (heard[0] ?? '').split(' ');
    expect(words.slice(0, 5)).toEqual(['identity', 'rf-00000001', '1800000000123', machineId, 'ab'.repeat(64)]);
    expect(Buffer.from(words[5] ?? '', 'hex').toString()).toBe('ssh-ed25519 AAAA ralph');
  });

  test('what an earlier try left behind, or anything else, is passed over', async () => {
    const old = { ...report, machineId: 'f'.repeat(32) };
    const junk = [
      'half a li',
      '\0\x01\xff\n',
      '{"machineId":\n',
      'null\n',
      line([]),
      line(old),
      line({ settled: true }),
    ];
    const channel = await guest((_, socket) => {
      for (const text of [...junk, line({ ...report, hostKey: 'ssh-rsa AAAA' }), line(report)]) socket.write(text);
    });
    expect(await channel.identify(identity)).toMatchObject({ machineId, hostKey: report.hostKey });
  });

  test('one that says it cannot is not trusted, and its words are cleaned', async () => {
    const channel = await guest((_, socket) => socket.write(line({ machineId, failed: '\x1b[31mno entropy' })));
    const refused = channel.identify(identity);
    await expect(refused).rejects.toMatchObject({ code: 'guest_untrusted' });
    await expect(refused).rejects.toThrow('own: no entropy');
  });

  test.each([
    ['a key of another kind', { hostKey: 'ssh-rsa AAAAB3NzaC1yc2E=' }],
    ['a key with more behind it', { hostKey: `${report.hostKey} x` }],
    ['too few random bytes', { random: 'ef' }],
    ['another machine id', { machineId: 'a'.repeat(32) }],
    ['a boot id that is none', { bootId: '../../etc/passwd' }],
  ])('%s is no answer', async (_what, wrong) => {
    const channel = await guest((_, socket) => socket.end(line({ ...report, ...wrong })));
    await expect(channel.identify(identity)).rejects.toMatchObject({ code: 'guest_unreachable' });
  });

  test('silence, an endless line and a closed port end as unreachable', async () => {
    const silent = await guest(() => {}, 100);
    await expect(silent.identify(identity)).rejects.toMatchObject({ code: 'guest_unreachable' });
    await new Promise((resolve) => server.close(resolve));
    await expect(silent.identify(identity)).rejects.toMatchObject({ code: 'guest_unreachable' });
    const endless = await guest((_, socket) => void socket.write('x'.repeat(200_000)));
    await expect(endless.identify(identity)).rejects.toMatchObject({ code: 'guest_unreachable' });
  });
});

test('a template says when nobody is logged in any more', async () => {
  const channel = await guest((_, socket) => socket.write(line({ settled: true })));
  await channel.settled();
  expect(heard).toEqual(['settled']);
});
