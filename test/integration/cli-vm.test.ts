import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { shellFrames } from '../../src/contract/shell.ts';
import type { SnapshotView, VmDetails } from '../../src/contract/vms.ts';
import { createFrameReader, toFrame } from '../../src/lib/frames.ts';
import { startBusyDaemon } from '../fixtures/busy-daemon.ts';
import { cli } from '../fixtures/cli-run.ts';
import type { FakeDaemon } from '../fixtures/fake-daemon.ts';
import { ago, busyFleet } from '../fixtures/views.ts';

let daemon: FakeDaemon;

beforeEach(async () => {
  daemon = await startBusyDaemon();
});
afterEach(() => daemon[Symbol.asyncDispose]());

const [someVm] = busyFleet().vms;
const vm = {
  ...(someVm as NonNullable<typeof someVm>),
  diskBytes: 300 * 1024 ** 2,
  snapshots: { count: 2, bytes: 1024 ** 3 },
};
const snapshot = (more: Partial<SnapshotView>): SnapshotView => ({
  ...{ id: '5a9e0001', name: 's-5a9e0001', vm: vm.id, task: 'T42', why: 'iteration', n: 6, commit: 'c'.repeat(40) },
  ...{ phase: 'ready', since: ago(60_000), bytes: 200 * 1024 ** 2, failure: null, good: false, ...more },
});
const details: VmDetails = {
  vm,
  task: 'T42',
  works: null,
  snapshots: [
    snapshot({ n: 7, id: '5a9e0002', name: 's-5a9e0002', phase: 'failed', bytes: null, failure: 'no room' }),
    snapshot({ good: true }),
    snapshot({ n: 5, id: '5a9e0003', name: 's-5a9e0003', why: 'person' }),
  ],
};
const done = (message: string, task: string | null = null) => ({ message, changed: true, task });

describe('looking', () => {
  it('vm list shows what disks and snapshots take', async () => {
    daemon.answers.vms = () => ({ items: [vm, { ...vm, origin: 'rf-0000000a after iteration 2 of T1' }], next: null });
    const { code, out } = await cli(daemon, ['vm', 'list']);
    expect(code).toBe(0);
    expect(out).toContain('DISK');
    expect(out).toContain('300 MiB');
    expect(out).toContain('2 snapshots, 1.0 GiB');
    expect(out).toContain('a copy of rf-0000000a after iteration 2 of T1');
  });

  it('vm show lists snapshots, newest first, and how to go back', async () => {
    daemon.answers.vm = () => details;
    const { code, out } = await cli(daemon, ['vm', 'show', 'T42']);
    expect(code).toBe(0);
    const lines = out.split('\n').filter((line) => line.startsWith('s-'));
    expect(
      lines.map((line) =>
        line
          .trim()
          .split(/ {2,}/)
          .filter((_, at) => at !== 4),
      ),
    ).toEqual([
      ['s-5a9e0002', 'iteration 7', 'cccccccccc', 'failed'],
      ['s-5a9e0001', 'iteration 6', 'cccccccccc', '200 MiB', 'checks passed'],
      ['s-5a9e0003', 'in iteration 5', 'cccccccccc', '200 MiB', 'yours'],
    ]);
    expect(out).toContain('no room');
    expect(out).toContain('ralph-fleet vm rewind T42 --to ITERATION');
    daemon.answers.vm = () => ({ ...details, vm: null, snapshots: [] });
    expect((await cli(daemon, ['vm', 'show', 'T42'])).out).toBe('T42 has no VM now.\n\nNo snapshots.\n');
  });
});

describe('going back', () => {
  it('vm rewind asks, and hands on iteration and notes', async () => {
    daemon.answers.vmRewind = () => done('`T42` goes back to where iteration 6 ended: disk and change.', 'T42');
    const argv = ['vm', 'rewind', 'T42', '--to', '6', '-m', 'not the parser'];
    const no = await cli(daemon, argv, { tty: true, answers: ['n'] });
    expect([no.code, daemon.sent('vmRewind')]).toEqual([1, []]);
    const yes = await cli(daemon, argv, { tty: true, answers: ['y'] });
    expect(yes.out).toContain('goes back to where iteration 6 ended');
    expect(yes.err).toContain('Take back what T42 did after 6?');
    await cli(daemon, ['vm', 'rewind', 'T42', '--to', 's-5a9e0001', '--yes', '--json']);
    expect(daemon.sent('vmRewind')).toEqual([
      { to: '6', notes: 'not the parser' },
      { to: 's-5a9e0001', notes: null },
    ]);
  });

  it('vm rewind without --to, or without a terminal, is refused with the way out', async () => {
    const none = await cli(daemon, ['vm', 'rewind', 'T42']);
    expect([none.code, none.err]).toEqual([2, expect.stringContaining('ralph-fleet vm rewind T42 --to N')]);
    const mute = await cli(daemon, ['vm', 'rewind', 'T42', '--to', '1']);
    expect([mute.code, mute.err]).toEqual([4, expect.stringContaining('ralph-fleet vm rewind T42 --to 1 --yes')]);
  });

  it('vm snapshot tells its name and how to go back to it', async () => {
    daemon.answers.vmSnapshot = () => ({ ...done('`s-5a9e0001` is taken of rf-1.', 'T42'), name: 's-5a9e0001' });
    const { out } = await cli(daemon, ['vm', 'snapshot', 'implementer-1']);
    expect(out).toContain('ralph-fleet vm rewind T42 --to s-5a9e0001');
    expect(daemon.calls.find(({ name }) => name === 'vmSnapshot')?.params).toEqual({ id: 'implementer-1' });
  });
});

describe('a clone', () => {
  const made = { ...done('`rf-0000000c` is made, a clone of rf-0000000a.'), name: 'rf-0000000c' };

  it('is waited for where asked, telling what it waits for', async () => {
    daemon.answers.vmClone = () => made;
    const looks = [
      { ...vm, phase: 'wanted' as const, waitsFor: 'waits for room' },
      { ...vm, phase: 'identifying' as const, stage: 'host-key' as const },
    ];
    daemon.answers.vm = () => ({ ...details, vm: looks.shift() ?? vm });
    const { code, out, err } = await cli(daemon, ['vm', 'clone', 'T42', '--wait']);
    expect([code, err]).toEqual([0, 'rf-0000000c: waits for room\nrf-0000000c: identifying (host-key)\n']);
    expect(out).toContain('ralph-fleet vm shell rf-0000000c');
  });

  it('that does not come says why', async () => {
    daemon.answers.vmClone = () => made;
    daemon.answers.vm = () => ({ ...details, vm: { ...vm, phase: 'failed', failure: 'no room on the disk' } });
    const { code, err } = await cli(daemon, ['vm', 'clone', 'T42', '--wait']);
    expect(code).toBe(4);
    expect(err).toContain('did not get ready: no room on the disk');
  });

  it('is deleted after a question', async () => {
    daemon.answers.vmDelete = () => done('`rf-0000000c` and its disk are removed.');
    expect((await cli(daemon, ['vm', 'delete', 'rf-0000000c'], { tty: true, answers: [''] })).code).toBe(1);
    expect((await cli(daemon, ['vm', 'delete', 'rf-0000000c', '--yes'])).out).toContain('are removed');
    expect(daemon.sent('vmDelete')).toHaveLength(1);
  });
});

describe('a shell', () => {
  /** A guest that says what it was asked to run, and ends. */
  function playGuest(frames: [number, string][]): { started: unknown[]; input: string[] } {
    const seen = { started: [] as unknown[], input: [] as string[] };
    daemon.answers.vm = () => details;
    daemon.onTerminal = (socket) => {
      const read = createFrameReader();
      socket.on('data', (chunk: Buffer) => {
        for (const { kind, bytes } of read(chunk)) {
          if (kind === shellFrames.start) seen.started.push(JSON.parse(Buffer.from(bytes).toString()));
          if (kind === shellFrames.stdin) seen.input.push(Buffer.from(bytes).toString());
          if (kind === shellFrames.start) for (const [of, text] of frames) socket.write(toFrame(of, Buffer.from(text)));
        }
      });
    };
    return seen;
  }

  it('runs one command, its words as they are, and ends as it did', async () => {
    const { started } = playGuest([
      [shellFrames.stdout, 'out\x1b]0;title\x07\n'],
      [shellFrames.stderr, 'err\n'],
      [shellFrames.exit, '{"code":7}'],
    ]);
    const run = await cli(daemon, ['vm', 'shell', 'T42', '--', 'ls', '-l', '--json', 'a b']);
    expect([run.code, run.out, run.err]).toEqual([7, 'out\x1b]0;title\x07\n', 'err\n']);
    expect(started).toEqual([{ argv: ['ls', '-l', '--json', 'a b'], screen: null, asRoot: false }]);
  });

  it('shows a terminal nothing that could act on it', async () => {
    const { started } = playGuest([
      [shellFrames.stdout, 'a\x1b]0;title\x07b\x1b]52;c;eA==\x07'],
      [shellFrames.exit, '{"code":0}'],
    ]);
    const run = await cli(daemon, ['vm', 'shell', 'T42', '--root'], { tty: true });
    expect([run.code, run.out]).toEqual([0, 'ab\x1b[0m\x1b[?25h']);
    expect(started).toEqual([{ argv: [], screen: { cols: 100, rows: 24 }, asRoot: true }]);
  });

  it('says who works there', async () => {
    playGuest([[shellFrames.exit, '{"code":0}']]);
    daemon.answers.vm = () => ({ ...details, works: 'implementer-1 works there (T42, iteration 4)' });
    const { err } = await cli(daemon, ['vm', 'shell', 'T42', '--', 'true']);
    expect(err).toBe('Careful: implementer-1 works there (T42, iteration 4), and sees what you change.\n');
  });

  it('that cannot be opened, or breaks, says so', async () => {
    const failed = JSON.stringify({
      error: { code: 'guest_unreachable', message: 'It does not answer.', kind: 'transient' },
    });
    playGuest([[shellFrames.failed, failed]]);
    const refused = await cli(daemon, ['vm', 'shell', 'T42', '--', 'true']);
    expect([refused.code, refused.err]).toEqual([5, expect.stringContaining('It does not answer.')]);
    playGuest([]);
    daemon.onTerminal = (socket) => socket.destroy();
    const broken = await cli(daemon, ['vm', 'shell', 'T42', '--', 'true']);
    expect([broken.code, broken.err]).toEqual([5, expect.stringContaining('The connection to the shell broke.')]);
    playGuest([[shellFrames.exit, '{"code":null}']]);
    expect((await cli(daemon, ['vm', 'shell', 'T42', '--', 'true'])).code).toBe(255);
  });
});
