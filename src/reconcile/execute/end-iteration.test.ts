import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { anIteration, aProject, aTask, aVm, base, config, head, now } from '../../../test/support/rows.ts';
import type { Iteration } from '../../domain/iteration.ts';
import type { JobEnd } from '../../guest/guest.ts';
import { FleetError } from '../../lib/errors.ts';
import { createSilentLog } from '../../lib/log.ts';
import { openDatabase } from '../../store/open.ts';
import { createStore } from '../../store/store.ts';
import type { StepMap } from '../plan/step.ts';
import type { ExecuteDeps } from './deps.ts';
import { endIteration } from './end-iteration.ts';

const nonce = '0'.repeat(32);
const said = (verb: string, more: object) => `${JSON.stringify({ nonce, verb, ...more })}\n`;

/** A guest with one running iteration that writes what it is told to, and a daemon that can die at a named call. */
function setup(more: Partial<Iteration> = {}) {
  const clock = createVirtualClock(now);
  const db = openDatabase(':memory:');
  const first = createStore({ db, clock });
  first.projects.insert(aProject());
  first.tasks.insert(aTask({ phase: 'implementing', base, head, ralph: 'implementer-1' }));
  first.vms.insert(aVm({ hostKey: 'k' }));
  first.iterations.insert(anIteration(more));
  const guest = {
    job: { id: 'it-1', state: 'running', streamBytes: 0, end: null as JobEnd | null },
    files: { 'signals.jsonl': '', stderr: '' } as Record<string, string>,
    stops: 0,
    diesAt: null as string | null,
  };
  const end = (exitCode: number | null): JobEnd => {
    const killed = exitCode === null;
    return { exitCode, signal: killed ? 'SIGTERM' : null, timedOut: false, killed, startedAt: 0, endedAt: 1 };
  };
  const dies = (at: string) => {
    if (guest.diesAt !== at) return;
    guest.diesAt = null;
    throw new FleetError('guest_unreachable', 'the daemon died here');
  };
  const guests = {
    jobs: async () => [guest.job],
    stopJob: async () => {
      guest.stops++;
      guest.job = { ...guest.job, state: 'ended', end: end(null) };
      dies('stopped');
    },
    readStream: async () => new Uint8Array(),
    readJobFile: async (_: unknown, __: string, name: string) => new TextEncoder().encode(guest.files[name] ?? ''),
    save: async () => ({ files: 1, bytes: 1, leftOut: [] }),
  };
  const saved = { head, tree: 'the tree', changed: true, files: 1, leftOut: [] };
  const parser = { push: () => [], end: () => [], summary: () => ({}) };
  const judge = (exit: { exitCode: number | null }) =>
    exit.exitCode === 0
      ? { outcome: 'done', reason: 'it ended' }
      : { outcome: exit.exitCode === null ? 'killed' : 'crashed', reason: `exit code ${exit.exitCode}` };
  /** Each call is another daemon on the same database. */
  async function run(data: Partial<StepMap['end_iteration']> = {}) {
    const store = createStore({ db, clock });
    const deps = {
      ...{ store, clock, guests, config: () => config, log: createSilentLog(), incomingPath: () => '/x' },
      driver: { endpoint: () => ({ kind: 'unix', path: '/x' }) },
      changes: { importSaved: async () => saved },
      gateway: {
        revoke: async () => dies('revoked'),
        settlements: async () => [],
        limits: async () => ({ limits: [], windows: [] }),
      },
      runs: { streamSize: async () => 0, writeFile: async () => {} },
      agent: () => ({ mcpTool: null, parser: () => parser, judge }),
    } as unknown as ExecuteDeps;
    const step = { iteration: 'it-1', vm: aVm().id, stop: false, silent: false, vmLost: false, why: 'it ended' };
    const ended = await endIteration(deps, { ...step, ...data });
    return { ended, iteration: store.iterations.mustGet('it-1'), task: store.tasks.mustGet('T1') };
  }
  const ends = (exitCode: number) => {
    guest.job = { ...guest.job, state: 'ended', end: end(exitCode) };
  };
  return { guest, run, ends };
}

const silent = { stop: true, silent: true, why: 'silent for 10 minutes' };

describe('an iteration stopped for its silence', () => {
  it('has its work saved and counts as one that timed out, with why', async () => {
    const { run } = setup();
    const { iteration, task } = await run(silent);
    expect(iteration).toMatchObject({
      ...{ phase: 'ended', outcome: 'timed_out', reason: 'silent for 10 minutes' },
      ...{ savedCommit: head, savedTree: 'the tree' },
    });
    expect(task).toMatchObject({ iterations: 1, uncounted: 0, head, judged: null });
  });

  it.each(['stopped', 'revoked'])('is that also where the daemon dies once it was %s', async (where) => {
    const { guest, run } = setup();
    guest.diesAt = where;
    await expect(run(silent)).rejects.toThrow('the daemon died here');
    // The next one finds its process gone, and plans as for any that ended.
    const { iteration, task } = await run();
    expect(iteration).toMatchObject({ outcome: 'timed_out', reason: 'silent for 10 minutes' });
    expect([task.iterations, guest.stops]).toEqual([1, 1]);
  });

  it('goes on when it has printed something meanwhile', async () => {
    const { guest, run } = setup({ streamBytes: 5 });
    guest.job.streamBytes = 6;
    const { ended, iteration } = await run(silent);
    expect([ended, iteration.phase, iteration.outcome, guest.stops]).toEqual(['waits', 'running', null, 0]);
  });

  it('is not, when it came to its end by itself meanwhile', async () => {
    const { guest, run, ends } = setup();
    guest.files['signals.jsonl'] = said('partial', { summary: 'half' });
    ends(0);
    expect((await run(silent)).iteration).toMatchObject({ outcome: 'partial', summary: 'half' });
  });

  it('is done when it said so before it fell silent', async () => {
    const { guest, run } = setup();
    guest.files['signals.jsonl'] = said('done', { summary: 'all of it' });
    expect((await run(silent)).iteration).toMatchObject({ outcome: 'done' });
  });
});

it('one called off from outside counts nowhere', async () => {
  const { iteration, task } = await setup().run({ stop: true, why: 'its task is paused' });
  expect(iteration).toMatchObject({ outcome: 'infra', reason: 'its task is paused' });
  expect(task).toMatchObject({ iterations: 0, uncounted: 0, judged: 'it-1' });
});

it('what it asked stays with its task, whatever became of it', async () => {
  const { guest, run } = setup({ n: 7 });
  guest.files['signals.jsonl'] = said('ask', { question: 'Which?', options: ['x', 'y'] });
  const { iteration, task } = await run(silent);
  expect(iteration.outcome).toBe('timed_out');
  expect(task.questions).toMatchObject([{ question: 'Which?', options: ['x', 'y'], blocking: true, iteration: 7 }]);
});

it('a crash says what stands at the end of stderr', async () => {
  const { guest, run, ends } = setup();
  guest.files['stderr'] = `${'noise\n'.repeat(500)}\u001b[31mError: no such module\u001b[0m\n`;
  ends(1);
  const { reason } = (await run()).iteration;
  expect(reason).toMatch(/^exit code 1; its stderr ends: … noise .*Error: no such module$/);
  expect(reason?.length).toBeLessThan(500);
});
