import { rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { done, startBusyDaemon } from '../fixtures/busy-daemon.ts';
import { cli } from '../fixtures/cli-run.ts';
import type { FakeDaemon } from '../fixtures/fake-daemon.ts';
import { ago, busyFleet, ralphRow, taskRow } from '../fixtures/views.ts';

let daemon: FakeDaemon;

beforeEach(async () => {
  daemon = await startBusyDaemon();
});
afterEach(() => daemon[Symbol.asyncDispose]());

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
    expect(daemon.sent('fleetPurge')).toEqual([{ confirmed: false }, { confirmed: true }]);
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
    expect(daemon.sent('fleetUp')).toMatchObject([
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
    expect(daemon.sent('fleetDown')).toEqual([]);
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

describe('image verify', () => {
  const report = {
    key: '0123456789abcdef',
    contract: 1,
    image: '0123456789abcdef',
    tools: { git: '2.53.0' },
    ms: 21_400,
  };

  it('prints what the guest found, and its exit code tells', async () => {
    daemon.answers.imageVerify = () => ({ ...report, ok: true, problems: [] });
    const good = await cli(daemon, ['image', 'verify', '0123']);
    expect(good.code).toBe(0);
    expect(good.out).toMatch(/0123456789abcdef keeps the guest contract \(1\), after 21 s\n {2}tools {2}git 2\.53\.0/);
    daemon.answers.imageVerify = () => ({ ...report, ok: false, problems: ['tool `jj` is missing'] });
    const broken = await cli(daemon, ['image', 'verify']);
    expect(broken.code).toBe(1);
    expect(broken.out).toMatch(/breaks the guest contract.*\n {2}tool `jj` is missing\n/);
    expect(daemon.sent('imageVerify')).toEqual([{ key: '0123' }, { key: null }]);
  });
});
