import { rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandTable } from '../../src/cli/frame/table.ts';
import { createClient } from '../../src/client/client.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { FleetError } from '../../src/lib/errors.ts';
import { cli } from '../fixtures/cli-run.ts';
import { type FakeDaemon, startFakeDaemon } from '../fixtures/fake-daemon.ts';
import { ago, busyFleet, commit, emptyFleet, evidence, ralphRow, taskRow, taskView } from '../fixtures/views.ts';

const settings = { setup: null, protected: ['test/**'], checks: [], registries: [] };
const project = {
  name: 'shop-api',
  path: '/x/shop-api',
  branch: 'main',
  settings,
  settingsFrom: null,
  remote: null,
  addedAt: ago(0),
};
const done = { message: 'It is so.', changed: true, task: null };
let daemon: FakeDaemon;

beforeEach(async () => {
  daemon = await startFakeDaemon({
    fleet: busyFleet,
    tasks: () => ({ items: busyFleet().tasks, next: null }),
    ralphs: () => ({ items: busyFleet().ralphs, next: null }),
    projects: () => ({ items: [project], next: null }),
    taskEvidence: evidence,
    task: taskView,
    taskApprove: () => done,
    taskReject: () => done,
    taskAnswer: () => done,
    taskCancel: () => done,
    fleetUp: () => done,
    fleetDown: () => done,
    taskSubmit: () => ({ tasks: [{ id: 'T50', ref: null, title: 'x' }] }),
  });
});
afterEach(() => daemon[Symbol.asyncDispose]());

const sent = (name: string) => daemon.calls.filter((call) => call.name === name).map((call) => call.body);

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

describe('status', () => {
  it('prints the screen, or the whole document, or some of its fields', async () => {
    const people = await cli(daemon, ['status']);
    expect(people).toMatchObject({ code: 0, err: '' });
    expect(people.out).toContain('NEEDS YOU 2');
    expect(people.out).not.toContain('\x1b');
    expect(JSON.parse((await cli(daemon, ['status', '--json'])).out)).toEqual(busyFleet());
    expect(Object.keys(JSON.parse((await cli(daemon, ['status', '--json=inbox,asOf'])).out))).toEqual([
      'inbox',
      'asOf',
    ]);
    const wrong = await cli(daemon, ['status', '--json=inbx']);
    expect(wrong.code).toBe(2);
    expect(JSON.parse(wrong.out).error.remedy).toContain('`inbox`');
  });

  it('tells scripts whether something needs a person', async () => {
    expect((await cli(daemon, ['status', '--exit-code'])).code).toBe(10);
    daemon.answers.fleet = emptyFleet;
    expect((await cli(daemon, ['status', '--exit-code'])).code).toBe(0);
  });

  it('colours a terminal, not a pipe; NO_COLOR wins, FORCE_COLOR forces', async () => {
    expect((await cli(daemon, ['status'], { tty: true })).out).toContain('\x1b[33m!');
    expect((await cli(daemon, ['status'], { tty: true, env: { NO_COLOR: '1' } })).out).not.toContain('\x1b');
    expect((await cli(daemon, ['status'], { env: { FORCE_COLOR: '1' } })).out).toContain('\x1b[33m!');
    expect((await cli(daemon, ['status', '--ascii'])).out).toMatch(/^[\n\x20-\x7e]*$/);
  });

  it('without a daemon: exit 5 with the remedy; shows the last known state where there is one', async () => {
    const { folder } = daemon;
    const away = { ...daemon, socketPath: join(folder, 'nobody.sock') };
    const run = await cli(away, ['status']);
    expect(run).toMatchObject({ code: 5, out: '' });
    expect(run.err.split('\n')).toHaveLength(4);
    expect(run.err).toContain('ralph-fleet daemon start');
    expect(JSON.parse((await cli(away, ['status', '--json'])).out).error.code).toBe('daemon_unavailable');
    await mkdir(join(folder, 'state/ralph-fleet'), { recursive: true });
    await writeFile(join(folder, 'state/ralph-fleet/last-status.json'), JSON.stringify(busyFleet()));
    const old = await cli(away, ['status']);
    expect(old.code).toBe(5);
    expect(old.out).toContain('The daemon does not run (since 13:39:02). What you see is from then.');
    await writeFile(join(folder, 'state/ralph-fleet/last-status.json'), '{"half":');
    expect((await cli(away, ['status'])).code).toBe(5);
  });

  it('redraws when an event comes, until it is interrupted', async () => {
    const stop = new AbortController();
    let looks = 0;
    const onOut = () => {
      looks += 1;
      if (looks === 1) daemon.emit({ seq: 1235, at: ago(0), kind: 'x', subject: 'T1', text: 'moved' });
      if (looks === 3) stop.abort();
    };
    expect((await cli(daemon, ['status', '--watch', '--json'], { onOut, signal: stop.signal })).code).toBe(130);
    expect(looks).toBe(3);
  });
});

describe('approve', () => {
  it('shows the evidence, asks for the very commit, and sends what was seen', async () => {
    const run = await cli(daemon, ['approve', 'T41'], { tty: true, answers: ['y'] });
    expect(run.code).toBe(0);
    expect(run.out).toContain('3 of 3 criteria');
    expect(run.err).toContain('Approve 3f9c2e1? [y/N]');
    expect(sent('taskApprove')).toEqual([{ commit, evidence: evidence().digest, channel: 'terminal', by: 'ada' }]);
  });

  it.each([[''], ['n'], ['yeah'], ['Approve']])('takes %j for no', async (answer) => {
    expect((await cli(daemon, ['approve', 'T41', '--yes'], { tty: true, answers: [answer] })).code).toBe(1);
    expect(sent('taskApprove')).toEqual([]);
  });

  it('without a terminal needs --commit, of the commit that stands there now', async () => {
    expect((await cli(daemon, ['approve', 'T41', '--yes'])).code).toBe(4);
    expect((await cli(daemon, ['approve', 'T41', '--json'], { tty: true })).code).toBe(4);
    const stale = await cli(daemon, ['approve', 'T41', '--commit', '1234567']);
    expect(stale.code).toBe(4);
    expect(stale.err).toContain('its commit is now `3f9c2e1`');
    expect((await cli(daemon, ['approve', 'T41', '--commit', '3f9c'])).code).toBe(2);
    expect(sent('taskApprove')).toEqual([]);
    expect((await cli(daemon, ['approve', 'T41', '--commit', '3f9c2e1'])).code).toBe(0);
    expect(sent('taskApprove')).toMatchObject([{ commit, channel: 'flag' }]);
  });

  it('passes on the daemon’s refusal with its exit code', async () => {
    daemon.answers.taskApprove = () => {
      throw new FleetError('refused', 'Cannot approve: `review.allowNonInteractive` is false.', {
        remedy: 'use a terminal',
      });
    };
    const run = await cli(daemon, ['approve', 'T41', '--commit', commit]);
    expect(run).toMatchObject({ code: 4, out: '' });
    expect(run.err).toContain('use a terminal');
  });
});

describe('tasks', () => {
  it('finds a task by id, number or title, and offers the nearest three', async () => {
    for (const typed of ['T41', 't41', '41', 'retry the web']) {
      expect((await cli(daemon, ['reject', typed, '-m', 'no'])).code, typed).toBe(0);
    }
    const run = await cli(daemon, ['reject', 'T4', '-m', 'no']);
    expect(run.code).toBe(3);
    expect(run.err).toContain('Did you mean: T40, T41, T42?');
    expect(sent('taskReject')).toHaveLength(4);
    expect((await cli(daemon, ['reject', 'T41', '-m', ' '])).code).toBe(2);
  });

  it('answers by letter or in words', async () => {
    await cli(daemon, ['task', 'answer', 'T44', 'b']);
    await cli(daemon, ['task', 'answer', 'T44', 'the', '$(other) one']);
    expect(sent('taskAnswer')).toEqual([
      { answer: 'price', by: 'ada' },
      { answer: 'the $(other) one', by: 'ada' },
    ]);
  });

  it('asks before it cancels', async () => {
    expect((await cli(daemon, ['task', 'cancel', 'T41'], { tty: true, answers: ['n'] })).code).toBe(1);
    expect((await cli(daemon, ['task', 'cancel', 'T41'])).code).toBe(4);
    expect(sent('taskCancel')).toEqual([]);
    expect((await cli(daemon, ['task', 'cancel', 'T41', '--yes'])).code).toBe(0);
  });

  it('waits: 0 there, 124 too late, 4 elsewhere', async () => {
    expect((await cli(daemon, ['wait', 'T41'])).code).toBe(0);
    expect((await cli(daemon, ['wait', 'T42', '--for', 'merged', '--timeout', '50ms'])).code).toBe(124);
    expect((await cli(daemon, ['wait', 'T42', '--for', 'merget'])).err).toContain('merged');
    daemon.answers.fleet = () => ({ ...busyFleet(), tasks: [taskRow('T42', 'x', { phase: 'cancelled' })] });
    expect((await cli(daemon, ['wait', 'T42', '--for', 'merged'])).code).toBe(4);
  });
});

describe('submit', () => {
  it('takes a file, stdin or words; refuses what has no checks and a file that is not there', async () => {
    const spec = '# Mend it\n- [ ] `npm test`\n';
    const file = join(daemon.folder, 'TASK.md');
    await writeFile(file, spec);
    expect((await cli(daemon, ['submit', file])).out).toContain('T50');
    expect((await cli(daemon, ['submit', '-'], { stdin: spec })).code).toBe(0);
    expect(sent('taskSubmit')).toMatchObject([
      { project: 'shop-api', drafts: [{ title: 'Mend it', checks: [{ run: 'npm test' }] }] },
      { drafts: [{ title: 'Mend it' }] },
    ]);
    const words = await cli(daemon, ['submit', 'mend', 'it']);
    expect(words.code).toBe(2);
    expect(words.err).toContain('has no checks');
    expect((await cli(daemon, ['submit', 'missing.json'])).code).toBe(3);
    expect((await cli(daemon, ['submit', file, '--project', 'shop'])).err).toContain('shop-api');
  });
});

describe('down and purge', () => {
  // Inside tmux the session is left alone.
  const env = { TMUX: 'x' };

  it('down says, VM by VM, what it waits for', async () => {
    const { vms, ...view } = busyFleet();
    let looks = 0;
    daemon.answers.fleet = () => {
      looks += 1;
      const waitsFor = 'goes down once its work is saved';
      return { ...view, vms: looks > 2 ? [] : vms.map((vm, at) => ({ ...vm, waitsFor: at === 0 ? waitsFor : null })) };
    };
    const run = await cli(daemon, ['down', '--delete', '--yes'], { env });
    expect(run.code).toBe(0);
    expect(run.err).toContain(`${vms[0]?.name} is ready, goes down once its work is saved (`);
    looks = 0;
    const { out, err } = await cli(daemon, ['down', '--delete', '--yes', '--json'], { env });
    expect([JSON.parse(out), err]).toEqual([done, expect.not.stringContaining('goes down')]);
  });

  it('purge waits until the daemon has removed its folders', async () => {
    const folder = join(daemon.folder, 'kept');
    await mkdir(folder);
    daemon.answers.fleetPurge = ({ body }) => {
      const { confirmed } = body as { confirmed: boolean };
      return { purged: confirmed, paths: [folder], unmerged: [] };
    };
    const onErr = (text: string) => {
      if (text.includes('the daemon ends and removes')) rmSync(folder, { recursive: true });
    };
    const run = await cli(daemon, ['purge', '--yes'], { env, onErr });
    expect(run.code).toBe(0);
    expect(run.err).toContain(`Would be removed:\n  ${folder}`);
    expect(run.err).toContain(`the daemon ends and removes ${folder}`);
    expect(sent('fleetPurge')).toEqual([{ confirmed: false }, { confirmed: true }]);
  });
});

describe('up', () => {
  const walk = (phase: 'implementing' | 'awaiting_approval') => {
    const view = busyFleet();
    const inbox = view.inbox
      .filter((item) => item.kind === 'approve')
      .map((item) => ({ ...item, subject: { ...item.subject, task: 'T1' } }));
    const tasks = [taskRow('T1', 'greet', { phase, spent: taskRow('', '').spent })];
    const ralphs = [ralphRow('implementer-1', 'T1')];
    return { ...view, tasks, ralphs, inbox: phase === 'awaiting_approval' ? inbox : [] };
  };

  it('follows the demo until the ping and prints what to do next', async () => {
    let looks = 0;
    daemon.answers.fleet = () => {
      looks += 1;
      if (looks === 1)
        daemon.emit({ seq: 1300, at: ago(0), kind: 'vm', subject: 'v', text: 'implementer-1 forked in 3.0 s' });
      return walk(looks > 2 ? 'awaiting_approval' : 'implementing');
    };
    const run = await cli(daemon, ['up', '--demo', '--no-attach']);
    expect(run.code).toBe(0);
    expect(run.err).toContain('implementer-1 forked in 3.0 s');
    expect(run.err).toContain('T1 implementing');
    expect(run.out).toContain('T1 awaits your approval');
    expect(run.out).toContain('ralph-fleet approve T1');
    expect(sent('fleetUp')).toMatchObject([
      { demo: true, config: { agent: { cli: 'scripted' }, review: { allowNonInteractive: true } } },
    ]);
  });

  it('leaves the fleet running on ctrl-C and says so', async () => {
    daemon.answers.fleet = () => walk('implementing');
    const stop = new AbortController();
    const run = cli(daemon, ['up', '--demo', '--no-attach'], { signal: stop.signal });
    await expect.poll(() => daemon.calls.filter((call) => call.name === 'fleet').length).toBeGreaterThan(0);
    stop.abort();
    expect(await run).toMatchObject({
      code: 130,
      err: expect.stringContaining('The fleet goes on without this command.'),
    });
    expect(sent('fleetDown')).toEqual([]);
  });

  it('changes nothing when the machine is not ready, and names every mend', async () => {
    const bad = {
      id: 'tmux',
      title: 'tmux',
      why: 'w',
      ms: 1,
      state: 'fail' as const,
      found: 'no such command',
      remedy: 'apt-get install tmux',
    };
    const preflight = async () => ({
      ready: false,
      failed: 2,
      warned: 0,
      checks: [bad, { ...bad, id: 'jj', title: 'jj', remedy: 'scripts/setup' }],
    });
    const run = await cli(daemon, ['up'], { preflight });
    expect(run.code).toBe(4);
    expect(run.err).toContain('apt-get install tmux');
    expect(run.err).toContain('2 problems, nothing was changed.');
    expect((await cli(daemon, ['up', '--json'], { preflight })).code).toBe(4);
    expect((await cli(daemon, ['doctor'], { preflight })).code).toBe(4);
    expect(daemon.calls).toEqual([]);
  });

  it('refuses a wrong fleet.yaml with every problem before anything else', async () => {
    const file = join(daemon.folder, 'fleet.yaml');
    await writeFile(file, 'version: 1\nvms: {cont: 2}\nwall: none\n');
    const run = await cli(daemon, ['up', '--config', file]);
    expect(run.code).toBe(2);
    expect(run.err).toContain('did you mean `count`?');
    expect(run.err).toContain(':3:7 `wall` is "none"');
    expect((await cli(daemon, ['up', '--config', '/nowhere.yaml'])).code).toBe(3);
    expect(daemon.calls).toEqual([]);
  });
});

describe('usage', () => {
  it('refuses unknown commands and options with the nearest, as lines or as JSON', async () => {
    expect(await cli(daemon, ['aprove', 'T1'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('Did you mean: approve?'),
    });
    expect(await cli(daemon, ['task', 'shwo'])).toMatchObject({ code: 2, err: expect.stringContaining('show') });
    expect(await cli(daemon, ['status', '--jsn'])).toMatchObject({ code: 2, err: expect.stringContaining('--help') });
    expect(await cli(daemon, ['why'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('missing required argument'),
    });
    expect(JSON.parse((await cli(daemon, ['aprove', '--json'])).out).error).toMatchObject({
      code: 'usage',
      kind: 'user',
    });
  });

  it('has help with examples and a full name for every command', async () => {
    for (const entry of commandTable) {
      const specs = await entry.load();
      if (entry.sub) expect(specs.map((spec) => spec.name)).toEqual(entry.sub);
      for (const spec of specs) {
        const words = entry.sub ? [entry.name, spec.name, '--help'] : [entry.name, '--help'];
        const run = await cli(daemon, words);
        expect(run, words.join(' ')).toMatchObject({ code: 0, err: '' });
        expect(run.out).toContain(`Examples:\n  ralph-fleet ${words.slice(0, -1).join(' ')}`);
      }
    }
    for (const topic of ['exit-codes', 'states', 'environment'])
      expect((await cli(daemon, ['help', topic])).code).toBe(0);
    expect((await cli(daemon, ['help', 'state'])).err).toContain('states');
    expect((await cli(daemon, ['--version'])).out).toBe('0.1.0\n');
  });

  it('prints valid schemas and shell scripts', async () => {
    for (const name of ['fleet', 'project', 'ralph', 'status', 'taskEvidence']) {
      expect(JSON.parse((await cli(daemon, ['schema', name])).out)).toMatchObject({ type: 'object' });
    }
    expect((await cli(daemon, ['schema', 'flet'])).err).toContain('fleet');
    for (const shell of ['bash', 'zsh', 'fish'])
      expect((await cli(daemon, ['completion', shell])).out).toContain('ralph-fleet');
    expect((await cli(daemon, ['completion', '--list', 'tasks'])).out).toContain('T41\n');
  });
});

describe('streams', () => {
  it('prints readable lines of a Ralph without a control byte of the guest', async () => {
    daemon.streamLines = [
      { iteration: 'it-1', offset: 10, kind: 'text', text: 'I will\x1b]0;x\x07 look' },
      { iteration: 'it-1', offset: 20, kind: 'tool', text: 'Read src/a.ts' },
    ];
    expect((await cli(daemon, ['logs', 'implementer-1'])).out).toBe('I will look\n> Read src/a.ts\n');
    expect((await cli(daemon, ['logs', 'implementer-9'])).err).toContain('Did you mean');
  });

  it('goes on after a lost connection without losing or doubling an event', async () => {
    const client = createClient({
      socketPath: daemon.socketPath,
      clock: { ...createSystemClock(), sleep: async () => {} },
    });
    const stop = new AbortController();
    const seen: number[] = [];
    daemon.emit({ seq: 1, at: ago(0), kind: 'x', subject: 'T1', text: 'one' });
    for await (const event of client.events(0, stop.signal)) {
      seen.push(event.seq);
      daemon.emit(event); // said twice
      if (event.seq === 2) daemon.breakConnections();
      if (event.seq < 4) daemon.emit({ ...event, seq: event.seq + 1 });
      else stop.abort();
    }
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it('carries raw bytes of a terminal both ways', async () => {
    const client = createClient({ socketPath: daemon.socketPath, clock: createSystemClock() });
    let asked = '';
    daemon.onTerminal = (socket, url) => {
      asked = url.pathname + url.search;
      socket.on('data', (bytes) => socket.write(Buffer.concat([Buffer.from([0, 255]), bytes])));
    };
    const socket = await client.terminal({ ralph: 'implementer-1', write: true, cols: 80, rows: 24 });
    socket.write('hi');
    const [bytes] = await new Promise<[Buffer]>((resolve) => socket.once('data', (...got: [Buffer]) => resolve(got)));
    socket.destroy();
    expect([...bytes]).toEqual([0, 255, 104, 105]);
    expect(asked).toBe('/v1/ralphs/implementer-1/terminal?write=1&cols=80&rows=24');
  });
});
