import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TaskView } from '../../src/contract/task-view.ts';
import { createFleetHome, type FleetHome } from '../support/fleet-home.ts';
import { chaosConfig, makeProject, signal, submitScenario, write } from '../support/fleet-project.ts';

/** One task in real VMs: its agent asks and is answered a daemon later, falls silent, and comes to its end. */
const minutes = 60_000;
let home: FleetHome;
let id: string;

beforeAll(async () => {
  home = await createFleetHome();
  const config = chaosConfig();
  const limits = { ...config.limits, silenceMs: minutes };
  await home.json(['daemon', 'start']);
  await home.client.call('fleetUp', {
    body: { config: { ...config, limits, vms: { ...config.vms, warm: 0 } }, demo: false },
  });
  await home.client.call('projectAdd', { body: { path: await makeProject(home, 'shop') } });
  id = await submitScenario(home, 'shop', {
    implementer: [
      [
        write('half.txt', 'one\n'),
        signal('ask', { question: 'In which words?', options: ['short', 'long'] }),
        signal('stuck', { reason: 'it must be known first' }),
      ],
      [{ do: 'edit', path: 'half.txt', find: 'one', replace: 'two' }, { do: 'hang' }],
      [
        { do: 'edit', path: 'half.txt', find: 'two', replace: 'three' },
        write('done.txt', 'done\n'),
        signal('done', { summary: 'x' }),
      ],
    ],
  });
});
afterAll(() => home?.close());

const show = () => home.json<TaskView>(['task', 'show', id]);
const promptOf = async (n: number) => {
  const iteration = (await show()).iterations.find((one) => one.n === n && one.role === 'implementer');
  return readFile(join(home.paths.runs, iteration?.id ?? '', 'prompt.md'), 'utf8');
};

it('a question ends the iteration, gives its VM back and waits, over a restart of the daemon', async () => {
  await home.task(id, ['needs_input'], 15 * minutes);
  await home.see('no VM of it', (view) => view.vms.every((vm) => vm.phase === 'gone' || vm.task !== id));
  expect(await show()).toMatchObject({
    question: { question: 'In which words?', options: ['short', 'long'], blocking: true },
    files: [{ path: 'half.txt' }],
    iterations: [{ outcome: 'stuck', savedCommit: expect.stringMatching(/^[0-9a-f]{40}$/) }],
  });
  await home.json(['daemon', 'stop']);
  await home.json(['daemon', 'start']);
  const view = await home.see('it waits', (seen) => (seen.inbox.length > 0 ? seen : null));
  expect(view.inbox).toMatchObject([{ kind: 'answer', title: 'In which words?', why: 'a) short  b) long' }]);
  expect((await home.cli(['task', 'answer', id, '--option', '2'])).stdout).toContain('it goes on with your answer');
});

it('goes on with the answer; silent, it is shown as quiet, then stopped with its work saved', async () => {
  const quiet = (does: string | null | undefined) => does?.startsWith('quiet for ');
  await home.see('it is quiet', (view) => view.ralphs.some((ralph) => quiet(ralph.does)), 15 * minutes);
  expect(await promptOf(2)).toMatch(/> In which words\?\n {2}Options: short \| long\n {2}Answer:\n {2}> long\n/);
  const ended = await home.see(
    'it was stopped',
    async () => (await show()).iterations.find((one) => one.outcome === 'timed_out'),
    10 * minutes,
  );
  expect(ended).toMatchObject({
    n: 2,
    reason: 'silent for 2 minutes',
    savedCommit: expect.stringMatching(/^[0-9a-f]{40}$/),
  });
});

it('is told so, and comes to its end on the work of all three', async () => {
  await home.task(id, ['awaiting_approval'], 15 * minutes);
  const prompt = await promptOf(3);
  expect(prompt).toContain('Iteration 2 ended `timed_out`: silent for 2 minutes');
  expect(prompt).toContain('Before any work it failed. Last it failed.');
  expect((await show()).files.map((file) => file.path)).toEqual(['done.txt', 'half.txt']);
  expect((await home.cli(['diff', id])).stdout).toContain('+three');
});
