import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskView } from '../../src/contract/task-view.ts';
import { isAlive } from '../../src/lib/alive.ts';
import { startCrashLoop } from '../support/crash-loop.ts';
import { createFleetHome, exec, type FleetHome, fleetRows } from '../support/fleet-home.ts';
import { chaosConfig, makeProject, say, signal, submitScenario, write } from '../support/fleet-project.ts';
import { until } from '../support/gateway-process.ts';
import { virsh } from '../support/leftovers.ts';

/** Real VMs, and everything around them killed. One fleet, one task after the other. */
const minutes = 60_000;
let home: FleetHome;
let checkout: string;

beforeAll(async () => {
  home = await createFleetHome();
  checkout = await makeProject(home, 'shop');
});
afterAll(() => home?.close());

const show = (id: string) => home.json<TaskView>(['task', 'show', id]);
const numbered = (count: number) => Array.from({ length: count }, (_, n) => `line ${String(n + 1).padStart(4, '0')}`);
const streamOf = (iteration: string) => readFile(join(home.paths.runs, iteration, 'stream'), 'utf8').catch(() => '');
const slowly = (lines: readonly string[]) => lines.flatMap((line) => [say(line), { do: 'sleep', seconds: 0.2 }]);

describe('a walk with the daemon killed before and after each kind of step', () => {
  const kinds = [
    ...[
      'sync_ralphs',
      'build_image',
      'claim_task',
      'request_vm',
      'create_vm',
      'start_vm',
      'probe_vm',
      'seed_workspace',
    ],
    ...[
      'start_checks',
      'end_checks',
      'move_task',
      'start_iteration',
      'launch_iteration',
      'pull_stream',
      'end_iteration',
    ],
    ...['save_template', 'fork_vm', 'release_vm', 'free_ralph', 'delete_vm', 'request_review', 'ping', 'integrate'],
    ...['want_snapshot', 'take_snapshot', 'drop_snapshot'],
  ];
  const points = kinds.flatMap((kind) => [`${kind}:before`, `${kind}:after`]);

  it('ends as one without', { timeout: 20 * minutes }, async () => {
    const began = Date.now();
    const loop = startCrashLoop(home, points);
    const { insist } = loop;
    try {
      await insist(() => home.client.call('fleetUp', { body: { config: chaosConfig(), demo: false } }));
      await insist(() => home.client.call('projectAdd', { body: { path: checkout } }));
      const lines = slowly(numbered(100));
      const implementer = [[...lines, write('done.txt', 'done\n'), signal('done', { summary: 'done' })]];
      const id = await insist(() => submitScenario(home, 'shop', { implementer }));
      const { commit } = await home.task(id, ['awaiting_approval'], 12 * minutes);
      await home.see('the ping', () => fleetRows(home, "SELECT 1 FROM events WHERE kind = 'ping'").length > 0);
      const word = { commit: commit ?? '', channel: 'api', by: 'test' } as const;
      await insist(() => home.client.call('taskApprove', { params: { id }, body: word }));
      await home.task(id, ['merged'], 3 * minutes);
      await home.see('the VMs are gone', ({ vms }) => vms.every((vm) => vm.phase === 'gone'), 2 * minutes);
    } finally {
      await loop.stop();
      const crashed = await loop.crashed();
      console.info(`${crashed.length} crashes in ${Math.round((Date.now() - began) / 1000)} s`);
    }
    // A point may be come to twice: when one daemon dies while the next one's points are being listed.
    expect([...new Set(await loop.crashed())].toSorted()).toEqual(points.toSorted());
    const { iterations, checkRuns, reviews, approvals, task } = await show('T1');
    expect(iterations.map(({ role, n, outcome }) => `${role} ${n} ${outcome}`)).toEqual([
      'implementer 1 done',
      'reviewer 1 done',
    ]);
    expect(checkRuns.map(({ kind, phase }) => `${kind} ${phase}`)).toEqual([
      'baseline failed',
      'loop passed',
      'verify passed',
      'verify passed',
    ]);
    expect([reviews.length, approvals.length, task.phase]).toEqual([1, 1, 'merged']);
    const said = (await streamOf(iterations[0]?.id ?? '')).split('\n').filter((line) => line.includes('"say"'));
    expect(said.map((line) => JSON.parse(line).text)).toEqual(numbered(100));
    const git = async (...args: string[]) => (await exec(['git', '-C', checkout, ...args])).stdout;
    expect(await git('log', '--format=%s', 'main')).toBe('say done\nbegin\n');
    expect(await git('show', 'main:done.txt')).toBe('done\n');
    expect(await home.domains('all')).toEqual([]);
  });
});

describe('while an iteration runs', () => {
  const lines = numbered(120);
  const seen = async (iteration: string, line: string) => {
    await until(line, async () => (await streamOf(iteration)).includes(line), 3 * minutes);
  };
  let id: string;

  it('daemon and gateway may die: no byte of its stream is lost or doubled', { timeout: 20 * minutes }, async () => {
    await home.json(['daemon', 'start']);
    await home.client.call('fleetUp', { body: { config: chaosConfig(), demo: false } });
    await home.client.call('projectAdd', { body: { path: await makeProject(home, 'yard') } });
    id = await submitScenario(home, 'yard', {
      implementer: [
        [write('one.txt', 'one\n'), ...slowly(lines), signal('partial', { summary: 'a', remaining: 'b' })],
        [write('two.txt', 'two\n'), ...slowly(lines), signal('partial', { summary: 'a', remaining: 'b' })],
        [write('done.txt', 'done\n'), signal('done', { summary: 'done' })],
      ],
    });
    const first = await runningIteration(1);
    await seen(first, 'line 0010');
    const daemon = await home.daemonPid();
    process.kill(daemon, 'SIGKILL');
    await until('the daemon is gone', () => !isAlive(daemon));
    const before = (await streamOf(first)).length;
    // The guest prints on meanwhile; nobody reads it.
    await until('some lines later', later(3_000), 10_000);
    await home.json(['daemon', 'start']);
    await seen(first, 'line 0040');
    expect((await streamOf(first)).length).toBeGreaterThan(before);
    const gateway = await home.gatewayPid();
    process.kill(gateway, 'SIGKILL');
    await home.see('it ended', async () => (await show(id)).iterations[0]?.phase === 'ended', 3 * minutes);
    const stream = await streamOf(first);
    const expected = [
      '{"type":"start"}',
      '{"type":"tool","name":"write","detail":"one.txt"}',
      '{"type":"tool-result","ok":true,"text":""}',
      ...lines.map((text) => JSON.stringify({ type: 'say', text })),
      '{"type":"tool","name":"signal","detail":"partial"}',
      '{"type":"end"}',
    ];
    expect(stream).toBe(`${expected.join('\n')}\n`);
    const again = await home.gatewayPid();
    expect([again !== gateway, isAlive(again)]).toEqual([true, true]);
  });

  it('its VM may be switched off: the task goes on from what was saved', { timeout: 20 * minutes }, async () => {
    const second = await runningIteration(2);
    await seen(second, 'line 0010');
    const { iterations } = await show(id);
    const [vm, saved] = [iterations[1]?.vm, iterations[0]?.savedCommit];
    expect(saved).toMatch(/^[0-9a-f]{40}$/);
    await exec([...virsh, 'destroy', `rf-${vm}`]);
    await home.task(id, ['awaiting_approval'], 8 * minutes);
    const after = await show(id);
    expect(after.iterations[1]).toMatchObject({ outcome: 'infra' });
    expect(after.iterations[2]).toMatchObject({ outcome: 'done' });
    // What the second one had written may be saved from its disk; what the first one saved is there in any case.
    const files = after.files.map((file) => file.path);
    expect(files).toEqual(expect.arrayContaining(['done.txt', 'one.txt']));
  });

  async function runningIteration(n: number): Promise<string> {
    const found = await home.see(
      `iteration ${n}`,
      async () => (await show(id)).iterations.find((one) => one.n === n && one.phase === 'running'),
      8 * minutes,
    );
    return found.id;
  }
});

/** All at once, then byte by byte to the very end: to write it all takes an emulated guest minutes. */
const fillDisk =
  'fallocate -l "$(df --output=avail -B1 . | tail -n 1)" .ralph-fill; head -c 500000000 /dev/zero >>.ralph-fill; df . | tail -n 1';

describe('an agent that misbehaves', () => {
  it('ends each time with a clear outcome, and the daemon stays small', { timeout: 20 * minutes }, async () => {
    await home.json(['daemon', 'start']);
    await home.client.call('fleetUp', { body: { config: chaosConfig(180_000), demo: false } });
    await home.client.call('projectAdd', { body: { path: await makeProject(home, 'farm') } });
    const id = await submitScenario(home, 'farm', {
      implementer: [
        [{ do: 'long-line', bytes: 100_000_000 }, signal('partial', { summary: 'a', remaining: 'b' })],
        [
          { do: 'garbage', bytes: 1_000_000 },
          { do: 'invalid-utf8' },
          { do: 'print', text: '{"type":' },
          { do: 'exit', code: 3 },
        ],
        [{ do: 'raw-signal', text: '{"verb":"done"' }, { do: 'forge-end' }],
        [],
        [{ do: 'ignore-sigterm' }, { do: 'fork', seconds: 5000 }, { do: 'hang' }],
        [{ do: 'run', command: fillDisk }, signal('done', { summary: 'full' })],
        [{ do: 'run', command: 'rm -f .ralph-fill' }, write('done.txt', 'done\n'), signal('done', { summary: 'done' })],
      ],
    });
    await home.task(id, ['awaiting_approval'], 15 * minutes);
    const { iterations } = await show(id);
    const ends = iterations.filter((one) => one.role === 'implementer').map((one) => `${one.outcome}: ${one.reason}`);
    expect(ends).toEqual([
      'partial: the agent says it is partial',
      expect.stringContaining('crashed: '),
      expect.stringContaining('stuck: '),
      expect.stringContaining('stuck: '),
      expect.stringContaining('timed_out: '),
      // Where nothing can be written, neither can what it has to say.
      expect.stringMatching(/^(done|infra|stuck): /),
      'done: the agent says it is done',
    ]);
    const [long] = iterations;
    expect((await stat(join(home.paths.runs, long?.id ?? '', 'stream'))).size).toBeGreaterThan(100_000_000);
    const status = await readFile(`/proc/${await home.daemonPid()}/status`, 'utf8');
    const peakMiB = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    console.info(`the daemon's largest size was ${Math.round(peakMiB)} MiB`);
    expect(peakMiB).toBeLessThan(600);
  });
});

function later(ms: number): () => boolean {
  const end = Date.now() + ms;
  return () => Date.now() > end;
}
