import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandTable } from '../../src/cli/frame/table.ts';
import { createClient } from '../../src/client/client.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { FleetError } from '../../src/lib/errors.ts';
import { startBusyDaemon } from '../fixtures/busy-daemon.ts';
import { cli } from '../fixtures/cli-run.ts';
import type { FakeDaemon } from '../fixtures/fake-daemon.ts';
import { ago, busyFleet, commit, emptyFleet, evidence, taskRow } from '../fixtures/views.ts';

let daemon: FakeDaemon;

beforeEach(async () => {
  daemon = await startBusyDaemon();
});
afterEach(() => daemon[Symbol.asyncDispose]());

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

describe('top', () => {
  it('prints the key numbers once, or again when an event comes', async () => {
    const once = await cli(daemon, ['top', '--once']);
    expect([once.code, once.out]).toEqual([0, expect.stringMatching(/^Tasks {5}.*\n(?:.*\n)+.*RALPH/)]);
    const json = JSON.parse((await cli(daemon, ['top', '--once', '--json'])).out);
    expect(json).toMatchObject({ vms: { ready: 5 }, budget: { per: 'day' }, problems: { error: 0 } });
    const stop = new AbortController();
    let looks = 0;
    const onOut = () => {
      looks += 1;
      if (looks === 1) daemon.emit({ seq: 1235, at: ago(0), kind: 'x', subject: 'T1', text: 'moved' });
      if (looks === 3) stop.abort();
    };
    expect((await cli(daemon, ['top'], { onOut, signal: stop.signal })).code).toBe(130);
    expect(looks).toBe(3);
  });
});

describe('approve', () => {
  it('shows the evidence, asks for the very commit, and sends what was seen', async () => {
    const run = await cli(daemon, ['approve', 'T41'], { tty: true, answers: ['y'] });
    expect(run.code).toBe(0);
    expect(run.out).toContain('3 of 3 criteria');
    expect(run.err).toContain('Approve 3f9c2e1? [y/N]');
    expect(daemon.sent('taskApprove')).toEqual([
      { commit, evidence: evidence().digest, channel: 'terminal', by: 'ada' },
    ]);
  });

  it.each([[''], ['n'], ['yeah'], ['Approve']])('takes %j for no', async (answer) => {
    expect((await cli(daemon, ['approve', 'T41', '--yes'], { tty: true, answers: [answer] })).code).toBe(1);
    expect(daemon.sent('taskApprove')).toEqual([]);
  });

  it('without a terminal needs --commit, of the commit that stands there now', async () => {
    expect((await cli(daemon, ['approve', 'T41', '--yes'])).code).toBe(4);
    expect((await cli(daemon, ['approve', 'T41', '--json'], { tty: true })).code).toBe(4);
    const stale = await cli(daemon, ['approve', 'T41', '--commit', '1234567']);
    expect(stale.code).toBe(4);
    expect(stale.err).toContain('its commit is now `3f9c2e1`');
    expect((await cli(daemon, ['approve', 'T41', '--commit', '3f9c'])).code).toBe(2);
    expect(daemon.sent('taskApprove')).toEqual([]);
    expect((await cli(daemon, ['approve', 'T41', '--commit', '3f9c2e1'])).code).toBe(0);
    expect(daemon.sent('taskApprove')).toMatchObject([{ commit, channel: 'flag' }]);
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
    expect(daemon.sent('taskReject')).toHaveLength(4);
    expect((await cli(daemon, ['reject', 'T41', '-m', ' '])).code).toBe(2);
  });

  it('answers by letter or in words', async () => {
    await cli(daemon, ['task', 'answer', 'T44', 'b']);
    await cli(daemon, ['task', 'answer', 'T44', 'the', '$(other) one']);
    await cli(daemon, ['task', 'answer', 'T44', '--option', '1']);
    await cli(daemon, ['task', 'answer', 'T44', '-'], { stdin: ' both\n' });
    expect(daemon.sent('taskAnswer')).toEqual(
      ['price', 'the $(other) one', 'price_minor', 'both'].map((answer) => ({ answer, by: 'ada', question: 1 })),
    );
  });

  it.each([
    [['c'], '`c` is no option: the question of `T44` has 2 options, a to b.'],
    [['--option', '3'], '`3` is no option'],
    [['--option', 'price'], '`price` is no option'],
    [[], 'Say an answer.'],
    [[' '], 'Say an answer.'],
    [['a', '--option', '1'], 'not both'],
  ])('refuses %j for an answer, and says why', async (words, why) => {
    const run = await cli(daemon, ['task', 'answer', 'T44', ...words]);
    expect(run.code).toBe(2);
    expect(run.err).toContain(why);
    expect(daemon.sent('taskAnswer')).toEqual([]);
  });

  it('tries again with what it should know', async () => {
    await cli(daemon, ['task', 'retry', 'T41', '-m', ' the port is 80 ']);
    await cli(daemon, ['task', 'retry', 'T41']);
    expect((await cli(daemon, ['task', 'retry', 'T41', '-m', ''])).code).toBe(2);
    expect(daemon.sent('taskRetry')).toEqual([{ notes: 'the port is 80' }, { notes: null }]);
  });

  it('asks before it cancels', async () => {
    expect((await cli(daemon, ['task', 'cancel', 'T41'], { tty: true, answers: ['n'] })).code).toBe(1);
    expect((await cli(daemon, ['task', 'cancel', 'T41'])).code).toBe(4);
    expect(daemon.sent('taskCancel')).toEqual([]);
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
    expect(daemon.sent('taskSubmit')).toMatchObject([
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
