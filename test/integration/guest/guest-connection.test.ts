import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Guests } from '../../../src/guest/guest.ts';
import { quoteArgument, quoteCommand } from '../../../src/guest/shell-quote.ts';
import { exec, type LocalGuest, serveSshd, startLocalGuest, text, until } from './fixture.ts';

let guest: LocalGuest;
const impatient = { banner: 300, login: 3000, retry: 2500, quick: 4000 };

beforeAll(async () => {
  guest = await startLocalGuest();
});
afterEach(() => guest.misbehave(null));
afterAll(() => guest?.close());

test('every argument comes out of a real sh as it went in', async () => {
  const argument = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.string({ unit: fc.constantFrom(...`'"\\$\`!*?~;&|<>(){}[] \n\t#-=é🐳`.split('')), maxLength: 30 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        argument.map((value) => value.replaceAll('\0', '').toWellFormed()),
        { maxLength: 6 },
      ),
      async (argv) => {
        const { stdout } = await exec(['sh', '-c', `printf '%s\\0' x ${quoteCommand(argv)}`]);
        expect(stdout).toBe(['x', ...argv].map((value) => `${value}\0`).join(''));
      },
    ),
    { numRuns: 150 },
  );
  expect(() => quoteArgument('a\0b')).toThrow(/zero byte/);
});

test('one connection serves many calls at once, more than sshd has channels', async () => {
  const guests = guest.daemon();
  const before = guest.connections();
  await Promise.all(Array.from({ length: 25 }, () => guests.ping(guest.address)));
  expect(guest.connections() - before).toBe(1);
});

test('a command whose whole life arrives in one piece, as on a busy host, is heard to its end', async () => {
  guest.misbehave((socket) => {
    const held: Buffer[] = [];
    const inOnePiece = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        held.push(chunk);
        done();
      },
    });
    socket.on('data', (chunk: Buffer) => inOnePiece.push(chunk));
    const timer = setInterval(() => held.length > 0 && socket.write(Buffer.concat(held.splice(0))), 200);
    socket.on('close', () => {
      clearInterval(timer);
      inOnePiece.destroy();
    });
    serveSshd(inOnePiece, join(guest.root, 'sshd_config'), new Set());
  });
  const guests = guest.daemon();
  for (let times = 0; times < 3; times++) await guests.ping(guest.address);
});

test('another host key is refused at once, and so is a pin that is none', async () => {
  const guests = guest.daemon(impatient);
  const before = guest.connections();
  const hostKey = await readFile(join(guest.root, 'other.pub'), 'utf8');
  await expect(guests.ping({ ...guest.address, hostKey })).rejects.toMatchObject({ code: 'guest_untrusted' });
  expect(guest.connections() - before).toBe(1);
  for (const bad of ['', 'ssh-rsa AAAA', 'ssh-ed25519', 'ssh-ed25519 AAAA']) {
    await expect(guests.ping({ ...guest.address, hostKey: bad })).rejects.toMatchObject({ code: 'guest_untrusted' });
  }
  await guests.ping(guest.address);
});

test('what an earlier connection left in the port comes before the banner', async () => {
  guest.misbehave((socket) => {
    socket.write(randomBytes(200_000));
    socket.write('SSH-1.99-SSH-2.');
    serveSshd(socket, join(guest.root, 'sshd_config'), new Set());
  });
  await guest.daemon(impatient).ping(guest.address);
});

test.each([
  ['silence', () => {}],
  ['garbage', (socket: Socket) => void socket.write(randomBytes(100_000))],
  ['half a banner', (socket: Socket) => void socket.write('SSH-2.0-Open')],
  [
    'a banner, then garbage',
    (socket: Socket) => void socket.write(Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), randomBytes(5000)])),
  ],
  [
    'endless garbage',
    (socket: Socket) => {
      const more = () => {
        while (!socket.destroyed && socket.write(randomBytes(65536)));
      };
      socket.on('drain', more);
      more();
    },
  ],
  ['an end at once', (socket: Socket) => void socket.end()],
])('%s instead of ssh: unreachable, tried again; and the next call works', async (_name, how) => {
  const guests = guest.daemon(impatient);
  const before = guest.connections();
  guest.misbehave(how);
  await expect(guests.jobs(guest.address)).rejects.toMatchObject({ kind: 'transient' });
  expect(guest.connections() - before).toBeGreaterThan(1);
  guest.misbehave(null);
  expect(await guests.jobs(guest.address)).toEqual([]);
});

test('no socket, and one that comes while the call waits', async () => {
  const guests = guest.daemon(impatient);
  const address = { ...guest.address, control: { kind: 'unix', path: join(guest.root, 'none.sock') } as const };
  await expect(guests.ping(address)).rejects.toMatchObject({ code: 'guest_unreachable' });
  guest.misbehave((socket) => socket.destroy());
  const asked = guests.ping(guest.address);
  guest.misbehave(null);
  await asked;
});

test('a cut in the middle of an answer: that call fails, the next one reconnects', async () => {
  const guests = guest.daemon(impatient);
  const argv = ['sh', '-c', 'head -c 100000000 /dev/zero | tr "\\0" x; echo'];
  await guests.startJob(guest.address, guest.job('it-wide', { argv }));
  await until(guests, guest.address, 'it-wide', 'ended');
  const reading = guests.readStream(guest.address, 'it-wide', 0, 100_000_001);
  guest.cut();
  await expect(reading).rejects.toMatchObject({ code: 'guest_unreachable' });
  const line = await guests.readStream(guest.address, 'it-wide', 0, 100_000_001);
  expect(line.length).toBe(100_000_001);
  expect(line.subarray(-2)).toEqual(Buffer.from('x\n'));
});

test('a guest that does not answer: the deadline ends the call, not the connection', async () => {
  const guests = guest.daemon(impatient);
  const before = guest.connections();
  const script = join(guest.root, 'bin/ralph-identity');
  await writeFile(script, '#!/bin/sh\nwhile sleep 0.2; do echo; done\n');
  const identity = { hostname: 'rf-0a1b2c3d', now: Date.now() };
  await expect(guests.identify(guest.address, identity)).rejects.toMatchObject({ code: 'guest_timed_out' });
  await guests.ping(guest.address);
  expect(guest.connections() - before).toBe(1);
});

test.each([
  ['half JSON', 'printf %s \'{"machineId":"00\''],
  ['another type', 'echo \'{"machineId":7}\''],
  ['invalid UTF-8', "printf '\\377\\376'"],
  ['nothing', ':'],
  ['more than it may', 'head -c 10000000 /dev/zero'],
])('an identity that is %s', async (_name, line) => {
  await writeFile(join(guest.root, 'bin/ralph-identity'), `#!/bin/sh\n${line}\n`);
  const asked = guest.daemon(impatient).identify(guest.address, { hostname: 'rf-0a1b2c3d', now: 0 });
  await expect(asked).rejects.toThrow(/nonsense|more than/);
});

test('identity and contract are read', async () => {
  const now = Date.now() + 60_000;
  const identity = { machineId: 'a'.repeat(32), bootId: '0'.repeat(36), hostname: 'rf-0a1b2c3d', now };
  await writeFile(join(guest.root, 'bin/ralph-identity'), `#!/bin/sh\necho '${JSON.stringify(identity)}'\n`);
  const guests = guest.daemon();
  const report = await guests.identify(guest.address, { hostname: 'rf-0a1b2c3d', now: Date.now() });
  expect(report.clockOffsetMs).toBeGreaterThan(30_000);
  const contract = { ok: true, contract: 1, image: 'debian-x', tools: { git: '2.53' }, problems: [] };
  await writeFile(join(guest.root, 'verify.json'), JSON.stringify(contract));
  expect(await guests.verify(guest.address)).toEqual(contract);
  // A contract that is broken is an answer too, and says how.
  const broken = { ...contract, ok: false, problems: ['tool `jj` is missing'] };
  await writeFile(join(guest.root, 'verify.json'), JSON.stringify(broken));
  expect(await guests.verify(guest.address)).toEqual(broken);
});

test('a daemon dies in the middle of a job; the next one picks the stream up without a lost or doubled byte', async () => {
  const path = join(guest.root, 'home/nobody');
  const argv = [
    'sh',
    '-c',
    'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); printf "%s \\377é\\n" $i; [ $((i % 100)) -ne 0 ] || sleep 0.05; done',
  ];
  await guest.daemon().startJob(guest.address, guest.job('it-long', { argv, cwd: path }));
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (let daemons = 0; ; daemons++) {
    const guests: Guests = guest.daemon();
    const { state } = (await guests.jobs(guest.address)).find((job) => job.id === 'it-long') ?? { state: 'lost' };
    for (let reads = 0; reads < 5; reads++) {
      const chunk = await guests.readStream(guest.address, 'it-long', offset, 1777);
      chunks.push(chunk);
      offset += chunk.length;
    }
    guest.cut();
    if (state === 'ended' && chunks.at(-1)?.length === 0) break;
    expect(daemons).toBeLessThan(200);
  }
  const wanted = Array.from({ length: 3000 }, (_, i) =>
    Buffer.concat([Buffer.from(`${i + 1} `), Buffer.from([0xff]), Buffer.from('é\n')]),
  );
  expect(Buffer.concat(chunks).equals(Buffer.concat(wanted))).toBe(true);
});

test('a full disk: a job ends with a word, a start says storage, and the work is still saved', async () => {
  const disk = join(guest.root, 'disk');
  await exec(['mkdir', disk]);
  await exec(['mount', '-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk]);
  try {
    const small = await startLocalGuest('nobody', disk);
    const memory = join(small.root, 'run');
    await exec(['mkdir', memory]);
    await exec(['mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', memory]);
    try {
      await fillAndSave(small, small.daemon());
    } finally {
      await exec(['tmux', '-S', join(memory, 'ralph-tmux/nobody.tmux'), 'kill-server'], { okExitCodes: [0, 1] });
      await exec(['umount', '-l', memory]);
      await small.close();
    }
  } finally {
    await exec(['umount', disk]);
  }
});

async function fillAndSave(small: LocalGuest, guests: Guests): Promise<void> {
  const origin = join(guest.root, 'origin');
  const env = { PATH: '/usr/bin:/bin', HOME: '/nonexistent' };
  const git = ['git', '-c', 'user.name=T', '-c', 'user.email=t@example', '-C', origin];
  await exec(['git', 'init', '-q', origin], { env });
  await exec([...git, 'commit', '-q', '--allow-empty', '-m', 'base'], { env });
  const base = (await exec([...git, 'rev-parse', 'HEAD'], { env })).stdout.trim();
  const bundleFile = join(guest.root, 'base.bundle');
  await exec([...git, 'bundle', 'create', '-q', bundleFile, 'HEAD'], { env });
  await guests.seedWorkspace(small.address, { bundleFile, commit: base, folder: 'work', user: 'nobody' });

  const cwd = join(small.root, 'home/nobody/work');
  const line = 'echo work >kept; cat /dev/zero >../fill 2>/dev/null; yes | head -c 100000 || exit 5';
  await guests.startJob(small.address, small.job('it-full', { cwd, argv: ['sh', '-c', line] }));
  const { end } = await until(guests, small.address, 'it-full', 'ended');
  expect(end).toMatchObject({ killed: false, timedOut: false });
  await expect(guests.startJob(small.address, small.job('it-next', {}))).rejects.toMatchObject({ code: 'storage' });
  expect((await guests.jobs(small.address)).map((job) => job.id)).toEqual(['it-full']);

  const targetFile = join(guest.root, 'full.bundle');
  const saved = await guests.save(small.address, { folder: 'work', user: 'nobody', base, targetFile, maxBytes: 1e6 });
  expect(saved).toMatchObject({ files: 1, leftOut: [] });
}

test('a terminal: filtered, resized, read-only unless asked', async () => {
  const guests = guest.daemon();
  const line = "printf '\\033]0;owned\\007\\033]52;c;eA==\\007\\033[31mred-%s\\n' text; sleep 60";
  await guests.startJob(guest.address, guest.job('it-show', { argv: ['sh', '-c', line] }));
  for (const write of [false, true]) {
    const terminal = await guests.terminal(guest.address, { user: 'nobody', write, cols: 100, rows: 30 });
    let seen = '';
    await new Promise<void>((resolve) => {
      terminal.readable.on('data', (chunk: Uint8Array) => {
        seen += text(chunk);
        if (seen.includes('red-text')) resolve();
      });
    });
    expect(seen).not.toMatch(/owned|\x1b\]|\x1b\[c|\x1b\[>/);
    terminal.resize(80, 24);
    const closed = new Promise((resolve) => terminal.readable.once('end', resolve));
    terminal.writable.write('\x02d');
    if (write) await closed;
    terminal.close();
    await closed;
  }
  await guests.stopJob(guest.address, 'it-show', 0);
});

test('a shell: one command with its words, input, output and exit code; a terminal where asked', async () => {
  const guests = guest.daemon();
  const run = async (argv: string[], input = '') => {
    const shell = await guests.shell(guest.address, { user: 'nobody', argv, screen: null });
    const [out, err] = [shell.stdout, shell.stderr].map((stream) => readAll(stream));
    shell.stdin.end(input);
    return { out: await out, err: await err, code: await shell.exit };
  };
  const said = await run(['sh', '-c', 'cat; pwd; id -un; echo "$1" >&2; exit 7', 'x', "a 'b' $HOME"], 'typed\n');
  expect(said).toEqual({ out: `typed\n${guest.root}/home/nobody\nnobody\n`, err: "a 'b' $HOME\n", code: 7 });
  expect([126, 127]).toContain((await run(['no-such-program'])).code);
  expect((await run(['sh', '-c', 'head -c 3000000 /dev/zero'])).out).toHaveLength(3_000_000);
  const screen = { cols: 91, rows: 17 };
  const shell = await guests.shell(guest.address, {
    user: 'nobody',
    argv: ['sh', '-c', 'stty size; read x; stty size'],
    screen,
  });
  let seen = '';
  for await (const chunk of shell.stdout) {
    seen += String(chunk);
    if (seen !== '17 91\r\n') continue;
    shell.resize(70, 20);
    shell.stdin.write('\n');
  }
  expect(seen).toBe('17 91\r\n\r\n20 70\r\n');
  const argv = ['sh', '-c', 'echo on; exec sleep 60'];
  const left = await guests.shell(guest.address, { user: 'nobody', argv, screen: null });
  await once(left.stdout, 'data');
  left.close();
  expect(await left.exit).toBe(143);
});

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let all = '';
  for await (const chunk of stream) all += String(chunk);
  return all;
}

test('after close nothing can be asked, and forget only forgets', async () => {
  const guests = guest.daemon(impatient);
  await guests.ping(guest.address);
  guests.forget(guest.address.id);
  await guests.ping(guest.address);
  await guests.close();
});
