import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DiskView } from '../../src/contract/fleet-view.ts';
import type { ReplayView } from '../../src/contract/replay.ts';
import { done, startBusyDaemon } from '../fixtures/busy-daemon.ts';
import { cli } from '../fixtures/cli-run.ts';
import type { FakeDaemon } from '../fixtures/fake-daemon.ts';
import { ago, commit } from '../fixtures/views.ts';

/** What the fleet hands over: its report, its evidence, what takes room on the disk. */
let daemon: FakeDaemon;

beforeEach(async () => {
  daemon = await startBusyDaemon();
});
afterEach(() => daemon[Symbol.asyncDispose]());

describe('report', () => {
  const spent = { tokens: 0, usd: 0, calls: 0, seconds: 0 };
  const counts = {
    tasks: 0,
    merged: 0,
    waiting: 0,
    failed: 0,
    iterations: 0,
    reviews: 0,
    personSeconds: 0,
    decisions: 0,
  };
  const figures = { usd: null, tokens: null };
  const since = () =>
    Date.now() - Date.parse(daemon.calls.findLast((call) => call.name === 'report')?.query['since'] ?? '');

  it('asks for the time that was said: hours, days, weeks, or a date here', async () => {
    daemon.answers.report = ({ query }) => {
      const frame = { since: query['since'] ?? '', until: new Date().toISOString(), tasks: [] };
      return { ...frame, totals: { ...counts, spent, predicted: figures, used: figures } };
    };
    expect((await cli(daemon, ['report'])).out).toContain('0 tasks: 0 merged');
    expect(Math.round(since() / 3_600_000)).toBe(7 * 24);
    await cli(daemon, ['report', '--since', '12h']);
    expect(Math.round(since() / 3_600_000)).toBe(12);
    expect((await cli(daemon, ['report', '--since', '2026-11-01', '--html'])).out).toMatch(/^<!doctype html>/);
    expect(daemon.calls.at(-1)?.query['since']).toBe(new Date('2026-11-01T00:00:00').toISOString());
  });

  it.each(['yesterday', '7', '-1d', '99999d', '2026-13-01', '2999-01-01', '7d; rm -rf /', '', '0x10d'])(
    'refuses --since %j',
    async (said) => {
      const run = await cli(daemon, ['report', '--since', said]);
      expect([run.code, run.out]).toEqual([2, '']);
      expect(run.err).toContain('Such as 12h, 7d');
      expect(daemon.calls).toEqual([]);
    },
  );
});

describe('evidence', () => {
  const facts = (more: object = {}) => ({ passed: true, exitCode: 0, timedOut: false, ms: 900, ...more });
  const row = (more: object = {}) => ({
    ...{ variant: 'as-committed' as const, check: 'unit', recorded: facts(), now: facts({ ms: 1200 }), isSame: true },
    tail: '',
    ...more,
  });
  const replay = (more: Partial<ReplayView> = {}): ReplayView => ({
    ...{ id: 'rp-0000000a', task: 'T41', title: 'T41 retry', commit, base: commit, phase: 'ended', does: null },
    ...{ reason: null, verdict: 'same', remarks: [], vm: 'rf-0000000a', disk: 'd', rows: [row()] },
    ...{ startedAt: ago(1000), endedAt: ago(0) },
    ...more,
  });

  it('is written to a file by the daemon, which runs elsewhere: the path is absolute', async () => {
    daemon.answers.taskEvidenceExport = () => ({ path: '/x/e.json', bytes: 2048, digest: 'a'.repeat(64) });
    const run = await cli(daemon, ['evidence', 'T41', '--export', 'e.json']);
    expect([run.code, run.out]).toEqual([0, expect.stringContaining('Written: /x/e.json')]);
    expect(daemon.sent('taskEvidenceExport')).toEqual([{ path: join(process.cwd(), 'e.json') }]);
  });

  it('is replayed to the end: the same is 0, different 1 and says which', async () => {
    daemon.answers.replayStart = () => replay({ phase: 'running', does: 'rf-0000000a is starting', verdict: null });
    daemon.answers.replay = () => replay({ remarks: ['the image is another one'] });
    const same = await cli(daemon, ['evidence', 'T41', '--replay']);
    expect([same.code, same.err]).toEqual([0, expect.stringContaining('rf-0000000a is starting')]);
    expect(same.out).toContain('the image is another one');
    expect(same.out).toContain('the same');
    expect(daemon.sent('replayStart')).toEqual([{ task: 'T41' }]);
    const now = facts({ passed: false, exitCode: 3 });
    daemon.answers.replay = () => replay({ verdict: 'different', rows: [row({ now, isSame: false, tail: 'boom\n' })] });
    const different = await cli(daemon, ['evidence', 'T41', '--replay']);
    expect([different.code, different.out]).toEqual([
      1,
      expect.stringMatching(/exit 3[\s\S]*boom[\s\S]*different: unit/),
    ]);
  });

  it('is called off with ctrl-C', async () => {
    daemon.answers.replayStart = () => replay({ phase: 'running', does: 'waits for a VM', verdict: null });
    daemon.answers.replay = () => replay({ phase: 'running', does: 'waits for a VM', verdict: null });
    daemon.answers.replayCancel = () => done;
    const stop = new AbortController();
    const onErr = (text: string) => void (text.includes('waits for a VM') && stop.abort());
    const run = await cli(daemon, ['evidence', 'T41', '--replay'], { signal: stop.signal, onErr });
    expect([run.code, run.err]).toEqual([130, expect.stringContaining('Called off')]);
    expect(daemon.calls.at(-1)).toMatchObject({ name: 'replayCancel', params: { id: 'rp-0000000a' } });
  });

  it('of a bundle is replayed with the repository it was made in', async () => {
    daemon.answers.replayStart = () => replay();
    expect((await cli(daemon, ['evidence', 'replay', 'b.json', '--json'])).code).toBe(0);
    await cli(daemon, ['evidence', 'replay', '/x/b.json', '--repository', '/x/shop']);
    expect(daemon.sent('replayStart')).toEqual([
      { bundle: join(process.cwd(), 'b.json'), repository: process.cwd() },
      { bundle: '/x/b.json', repository: '/x/shop' },
    ]);
  });

  it('that came to no verdict is a failure, with the reason', async () => {
    daemon.answers.replayStart = () => replay({ phase: 'failed', verdict: null, reason: '3 VMs were lost under it' });
    const run = await cli(daemon, ['evidence', 'T41', '--replay', '--json']);
    expect([run.code, JSON.parse(run.out).error.message]).toEqual([1, expect.stringContaining('3 VMs were lost')]);
  });

  it.each([
    [['evidence', 'T41', 'b.json']],
    [['evidence', 'T41', '--replay', '--export', 'x']],
    [['evidence', 'T41', '--repository', '/x']],
    [['evidence', 'replay', 'b.json', '--export', 'x']],
  ])('%j is a usage error', async (argv) => {
    expect((await cli(daemon, argv)).code).toBe(2);
    expect(daemon.sent('replayStart')).toEqual([]);
  });
});

describe('image gc', () => {
  const disk: DiskView = {
    ...{ key: 'd'.repeat(16), kind: 'prepared', project: 'shop-api', phase: 'ready', since: ago(1000), progress: null },
    ...{ failure: null, sizeBytes: 3_000_000, usedBy: [] },
    recipe: { packages: [], run: 'npm ci', inputs: ['package-lock.json'], registries: ['npm'], image: 'i'.repeat(16) },
  };

  it('lists what would go, with what it is made from; removes it only when asked', async () => {
    daemon.answers.imageGc = ({ body }) => ({ removed: (body as { confirmed: boolean }).confirmed, disks: [disk] });
    const dry = await cli(daemon, ['image', 'gc', '--dry-run']);
    expect([dry.code, dry.out]).toEqual([0, expect.stringMatching(/npm ci on image iiii.*package-lock\.json/)]);
    expect((await cli(daemon, ['image', 'gc'])).code).toBe(4);
    expect(daemon.sent('imageGc')).toEqual([{ confirmed: false }, { confirmed: false }]);
    expect((await cli(daemon, ['image', 'gc', '--yes'])).code).toBe(0);
    expect(daemon.sent('imageGc').at(-1)).toEqual({ confirmed: true });
  });

  it('says when there is nothing', async () => {
    daemon.answers.imageGc = () => ({ removed: false, disks: [] });
    expect((await cli(daemon, ['image', 'gc', '--yes'])).out).toContain('Nothing to remove');
  });
});
