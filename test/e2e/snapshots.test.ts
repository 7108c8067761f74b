import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TaskView } from '../../src/contract/task-view.ts';
import type { VmDetails } from '../../src/contract/vms.ts';
import { createFleetHome, exec, type FleetHome } from '../support/fleet-home.ts';
import { chaosConfig, makeProject, say, signal, submitScenario, write } from '../support/fleet-project.ts';

/** One fleet, real VMs, and a person who looks into them, copies one, and goes back. */
const minutes = 60_000;
/** Of each test; a busy host without hardware virtualisation boots a VM in three. */
const patience = { timeout: 25 * minutes };
let home: FleetHome;
let id: string;

beforeAll(async () => {
  home = await createFleetHome();
  const config = chaosConfig(60 * minutes);
  await home.json(['daemon', 'start']);
  const vms = { ...config.vms, warm: 0, count: 3, snapshots: 2 };
  await home.client.call('fleetUp', { body: { config: { ...config, vms }, demo: false } });
  await home.client.call('projectAdd', { body: { path: await makeProject(home, 'shop') } });
  const slowly = Array.from({ length: 480 }, (_, n) => [say(`line ${n}`), { do: 'sleep', seconds: 5 }]).flat();
  // A file of the change, and something beside it that only the disk holds.
  const round = (word: string) => [write(`${word}.txt`, word), { do: 'run', command: `echo ${word} > ~/beside` }];
  const partial = signal('partial', { summary: 'a', remaining: 'b' });
  const [first, second] = [round('one'), round('two')];
  id = await submitScenario(home, 'shop', {
    implementer: [[...first, partial], [...second, partial], slowly, slowly],
  });
});
afterAll(() => home?.close());

const show = () => home.json<TaskView>(['task', 'show', id]);
const vmOf = (word: string) => home.json<VmDetails>(['vm', 'show', word]);
const running = (n: number) =>
  home.see(
    `iteration ${n}`,
    async () => (await show()).iterations.find((one) => one.n === n && one.phase === 'running'),
    20 * minutes,
  );
const inVm = async (word: string, command: string, ...more: string[]) => {
  const run = await home.cli(['vm', 'shell', word, ...more, '--', 'sh', '-c', command]);
  return { code: run.exitCode, out: run.stdout.trim(), err: run.stderr.trim() };
};
const look = 'cat ~/beside; ls *.txt';

it('keeps the disk after each iteration, tied to its commit', patience, async () => {
  await running(3);
  const { snapshots, works, vm } = await vmOf(id);
  const { iterations } = await show();
  expect(works).toBe(`implementer-1 works there (${id}, iteration 3)`);
  expect(snapshots.map(({ n, why, phase, commit }) => [n, why, phase, commit])).toEqual(
    [2, 1].map((n) => [n, 'iteration', 'ready', iterations.find((one) => one.n === n)?.savedCommit]),
  );
  expect(snapshots.every(({ bytes }) => (bytes ?? 0) > 0)).toBe(true);
  expect(vm?.diskBytes).toBeGreaterThan(0);
});

it('lets a person in, says who works there, and ends as the command did', patience, async () => {
  const inside = await inVm(id, `${look}; id -un; exit 7`);
  expect([inside.code, inside.out]).toEqual([7, 'two\none.txt\ntwo.txt\nralph1']);
  expect(inside.err).toContain(`Careful: implementer-1 works there (${id}, iteration 3)`);
  expect((await inVm(id, 'id -un', '--root')).out).toBe('root');
});

it('makes a copy of what runs: the same disk, another identity, no token', patience, async () => {
  const { name } = JSON.parse(
    (await home.cli(['vm', 'clone', id, '--wait', '--json'], { timeoutMs: 18 * minutes })).stdout.trim(),
  ) as { name: string };
  expect((await inVm(name, look)).out).toBe('two\none.txt\ntwo.txt');
  const identity = 'cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub; hostname';
  const [own, other] = [await inVm(name, identity, '--root'), await inVm(id, identity, '--root')];
  for (const [at, line] of own.out.split('\n').entries()) expect(line).not.toBe(other.out.split('\n')[at]);
  expect(own.out).toContain(name);
  // What its iterations were given, tokens too, stands with their jobs.
  const jobs = 'find /var/lib/ralph/jobs -type f | head -1';
  expect((await inVm(id, jobs, '--root')).out).not.toBe('');
  expect((await inVm(name, jobs, '--root')).out).toBe('');
  expect((await inVm(name, 'grep -rl rft_ /var/lib/ralph /home /root /tmp | head -1', '--root')).out).toBe('');
  const { vm, snapshots } = await vmOf(name);
  expect([vm?.role, vm?.task, vm?.origin]).toEqual(['clone', null, expect.stringContaining(`iteration 3 of ${id}`)]);
  expect(snapshots).toEqual([]);
  await home.json(['vm', 'delete', name, '--yes']);
  await home.see('the clone is gone', ({ vms }) => vms.every((one) => one.name !== name), 2 * minutes);
});

it('goes back to an earlier iteration, disk and change together, and keeps what it takes back', patience, async () => {
  const before = await show();
  const [first] = before.iterations;
  await home.json(['vm', 'rewind', id, '--to', '1', '-m', 'This time without two.', '--yes']);
  const again = await running(4);
  expect(again.vm).not.toBe(first?.vm);
  expect((await inVm(id, look)).out).toBe('one\none.txt');
  const { task, files } = await show();
  expect(task.commit).toBe(first?.savedCommit);
  expect(files.map(({ path }) => path)).toEqual(['one.txt']);
  const prompt = await readFile(join(home.paths.runs, again.id, 'prompt.md'), 'utf8');
  expect(prompt).toContain('This time without two.');
  const repository = join(home.paths.repos, 'shop/git');
  const kept = await exec(['git', '-C', repository, 'show', `ralph/${id}-rewound-1:two.txt`], { env: home.env });
  expect(kept.stdout).toBe('two');
});

it('with the VMs the snapshots go', patience, async () => {
  await home.json(['task', 'cancel', id, '--yes']);
  const left = async () => (await vmOf(id)).snapshots.length === 0;
  await home.see('no snapshot is left', left, 3 * minutes);
});
