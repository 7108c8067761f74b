import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EvidenceView } from '../../src/contract/evidence.ts';
import type { ReplayView } from '../../src/contract/replay.ts';
import type { DiffView, TaskView } from '../../src/contract/task-view.ts';
import { readBundle } from '../../src/evidence/read.ts';
import type { ExecResult } from '../../src/lib/exec.ts';
import { type FakeLoki, startFakeLoki } from '../support/fake-loki.ts';
import { apiKey, findSecrets, findSecretsInVm, type Secret } from '../support/find-secret.ts';
import { createFleetHome, exec, type FleetHome, fleetRows } from '../support/fleet-home.ts';
import { until } from '../support/gateway-process.ts';

/** The whole walk as a person sees it, in real VMs, with a credential in the environment that must stay where it belongs. */
const planted = () => `planted${randomBytes(24).toString('hex')}`; // no shape that a log would hide
const [anthropicKey, openAiKey, webhookPath] = [planted(), planted(), planted()];
const minutes = 60_000;
let home: FleetHome;
let loki: FakeLoki;
/** Takes pings; not the first one, so that a failure is told of too. */
let pings = 0;
const webhook = createServer((_req, res) => {
  pings += 1;
  res.writeHead(pings === 1 ? 500 : 204).end();
});

beforeAll(async () => {
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
  loki = await startFakeLoki();
  home = await createFleetHome({ ANTHROPIC_API_KEY: anthropicKey, OPENAI_API_KEY: openAiKey });
  const url = `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/${webhookPath}`;
  await mkdir(home.paths.config, { recursive: true });
  const notify = [{ kind: 'terminal' }, { kind: 'webhook', url }];
  await writeFile(home.paths.fleetYaml, JSON.stringify({ version: 1, notify, telemetry: { loki: { url: loki.url } } }));
});
afterAll(async () => {
  await home?.close().finally(() => webhook.close());
  await loki?.close();
});

/** What a user gives to the fleet and nobody else may see, and where it belongs. */
async function secrets(): Promise<Secret[]> {
  const hook = {
    what: 'the webhook',
    text: webhookPath,
    allowed: /\/(config\/ralph-fleet\/fleet\.yaml|config\.json)$/,
  };
  return [await apiKey(home, anthropicKey), await apiKey(home, openAiKey), hook];
}

const task = () => home.json<TaskView>(['task', 'show', 'T1']);

describe('up --demo', () => {
  let up: Promise<ExecResult>;
  const began = Date.now();

  it('lets the implementer work in a VM, shown in tmux, where the credential is not', async () => {
    up = home.cli(['up', '--demo', '--json'], { timeoutMs: 14 * minutes });
    const ralph = await home.see(
      'the implementer works',
      (view) => view.ralphs.find((one) => one.phase === 'working' && one.does !== null),
      12 * minutes,
    );
    console.info(`first iteration after ${Math.round((Date.now() - began) / 1000)} s`);
    const windows = await tmux('list-windows', '-t', '=ralph-fleet:', '-F', '#{window_name}');
    expect(windows.split('\n').toSorted()).toEqual(['', 'fleet', 'implementer-1', 'reviewer-1']);
    await paneShows('=ralph-fleet:=implementer-1', /the agent starts|● run|I look at what is there/);
    expect(await findSecretsInVm(home, ralph.vm ?? '', await secrets())).toEqual([]);
  });

  it('comes to the ping', async () => {
    const { exitCode, stdout, stderr } = await up;
    expect([exitCode, stderr]).toEqual([0, expect.any(String)]);
    expect(
      stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
        .at(-1),
    ).toMatchObject({
      inbox: [{ kind: 'approve', subject: { task: 'T1' } }],
    });
    console.info(`ping after ${Math.round((Date.now() - began) / 1000)} s`);
    const { timeline } = await task();
    expect(timeline.filter((event) => event.kind === 'ping')).toHaveLength(1);
  });

  it('was tried twice, judged by the controller in an untouched VM, and reviewed in another', async () => {
    const { iterations, checkRuns, reviews } = await task();
    expect(iterations.map(({ role, n, outcome }) => `${role} ${n} ${outcome}`)).toEqual([
      'implementer 1 done',
      'implementer 2 done',
      'reviewer 1 done',
    ]);
    expect(checkRuns.map(({ kind, phase }) => `${kind} ${phase}`)).toEqual([
      'baseline failed',
      'loop failed',
      'loop passed',
      'verify passed',
      'verify passed',
    ]);
    const [implementer, verifier, reviewer] = [iterations[0]?.vm, checkRuns[3]?.vm, iterations[2]?.vm];
    expect(new Set([implementer, verifier, reviewer]).size).toBe(3);
    expect(fleetRows(home, 'SELECT purpose, touched FROM vms WHERE id = ?', verifier)).toEqual([
      { purpose: 'verifier', touched: 0 },
    ]);
    expect(reviews).toMatchObject([{ phase: 'approved', commit: iterations[1]?.savedCommit }]);
  });

  it('says the same on every face', async () => {
    const { task: row, files } = await task();
    const evidence = await home.json<EvidenceView>(['evidence', 'T1']);
    expect(evidence).toMatchObject({ commit: row.commit, base: row.base, baseIsTip: true, calledOut: [] });
    expect(evidence.proof).toMatchObject({ passed: row.checks.length, total: row.checks.length, cleanVm: true });
    expect(evidence.proof.rows.every((proof) => proof.baseline?.passed === false)).toBe(true);
    expect(evidence.review).toMatchObject({ verdict: 'approved', findings: [{ severity: 'minor' }] });
    const diff = await home.json<DiffView>(['diff', 'T1']);
    expect([diff.commit, files.map((file) => file.path)]).toEqual([row.commit, ['src/duration.js']]);
    expect(diff.patch).toContain("+    [seconds % 60, 's'],");
    expect(await home.json(['why', 'T1'])).toMatchObject({ phase: 'awaiting_approval', state: 'needs-you' });
    expect(await home.json(['plan'])).toMatchObject({ steps: [] });
    const logs = (await home.cli(['logs', 'implementer-1', '--json'])).stdout.trim().split('\n');
    expect(logs.map((line) => JSON.parse(line).text).join('\n')).toContain('This time I run the tests');
    const status = await home.cli(['status', '--exit-code']);
    expect([status.exitCode, status.stdout]).toEqual([10, expect.stringContaining('T1')]);
  });

  it('hands its evidence over, both outputs of each check in it, and comes to the same when it is replayed', async () => {
    const file = join(home.root, 'T1.evidence.json');
    const made = await home.json<{ path: string; digest: string }>(['evidence', 'T1', '--export', file]);
    expect(made).toMatchObject({ path: file, digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const bundle = await readBundle(file);
    const [run] = bundle.parts.runs;
    expect(bundle.parts.verified.map((one) => `${one.variant} ${one.phase}`).toSorted()).toEqual([
      'as-committed passed',
      'restored passed',
    ]);
    expect(run).toMatchObject({ phase: 'passed', vm: { clean: true }, versions: { driver: 'libvirt' } });
    expect(run?.versions.guest?.tools).toMatchObject({ node: expect.any(String), linux: expect.any(String) });
    expect(run?.versions.hypervisor).toMatch(/\d/);
    expect(run?.results.find((one) => one.id === 'test')?.stdout?.head).toContain('✔ seconds alone');
    expect(run?.results.map((one) => one.stderr?.bytes)).toEqual([0, 0]);
    expect(bundle.parts.review?.phase).toBe('approved');

    // As a stranger would: from the file and the repository alone.
    const began = Date.now();
    const checkout = join(home.paths.state, 'demo/demo');
    const replayed = await home.cli(['evidence', 'replay', file, '--repository', checkout, '--json'], {
      timeoutMs: 12 * minutes,
    });
    const view: ReplayView = JSON.parse(replayed.stdout.trim().split('\n').at(-1) ?? '{}');
    console.info(`replayed after ${Math.round((Date.now() - began) / 1000)} s`);
    expect([replayed.exitCode, view.verdict, view.remarks]).toEqual([0, 'same', []]);
    expect(view.rows.every((row) => row.now?.passed && row.isSame)).toBe(true);
    await home.see('nothing of it is left', ({ vms }) => vms.every((vm) => vm.role !== 'replay'), 2 * minutes);
    await until('its repository is gone', async () => !(await readdir(home.paths.repos)).includes(view.id), 30_000);
    expect(await home.cli(['evidence', 'T1', '--export', file])).toMatchObject({ exitCode: 4 });
  });

  it('keeps the credentials out of everything', async () => {
    expect(pings).toBeGreaterThan(0);
    await writeFile(join(home.root, 'shipped.json'), JSON.stringify(loki.lines));
    expect(await findSecrets(home, await secrets())).toEqual([]);
  });
});

describe('the logs', () => {
  it('of daemon, gateway and iterations are in Loki, each line once', async () => {
    // A console may be empty: guests boot quietly.
    const streams = [...new Set(loki.lines.map(({ labels }) => labels['stream']))];
    expect(streams).toEqual(expect.arrayContaining(['daemon', 'gateway', 'iteration']));
    const iterations = fleetRows(home, "SELECT id, task FROM iterations WHERE phase = 'ended'") as { id: string }[];
    for (const { id } of iterations) {
      const printed = await readFile(join(home.paths.runs, id, 'stream'), 'utf8');
      const shipped = () => loki.lines.filter(({ meta }) => meta['iteration'] === id && meta['level'] === undefined);
      const lines = printed.trimEnd().split('\n').length;
      await until(`all that ${id} printed is there`, () => shipped().length >= lines, 30_000);
      expect(shipped()).toHaveLength(lines);
    }
    const daemon = () => loki.lines.filter(({ labels }) => labels['stream'] === 'daemon').map(({ line }) => line);
    const written = (await readFile(home.paths.daemonLog, 'utf8')).trimEnd().split('\n');
    await until('the log of the daemon is there', () => daemon().length >= written.length, 30_000);
    expect(daemon().slice(0, written.length)).toEqual(written);
  });
});

describe('the person decides', () => {
  it('reject: the implementer starts again with the notes and comes back', async () => {
    const before = (await task()).task.commit;
    await home.json(['reject', 'T1', '-m', 'Say it in the README, please.']);
    await home.task('T1', ['implementing'], 5 * minutes);
    await home.task('T1', ['awaiting_approval'], 12 * minutes);
    const { iterations, approvals, task: row, files } = await task();
    const again = iterations.filter((one) => one.role === 'implementer').at(-1);
    expect([again?.n, again?.outcome]).toEqual([3, 'done']);
    const prompt = await readFile(join(home.paths.runs, again?.id ?? '', 'prompt.md'), 'utf8');
    expect(prompt).toContain('Say it in the README, please.');
    expect(approvals).toMatchObject([{ decision: 'reject', commit: before, notes: 'Say it in the README, please.' }]);
    expect(row.commit).not.toBe(before);
    expect(files.map((file) => file.path).toSorted()).toEqual(['README.md', 'src/duration.js']);
  });

  it('approve: the change is on the branch, under the person’s name, with its change id', async () => {
    const { task: row } = await task();
    const checkout = join(home.paths.state, 'demo/demo');
    const stale = await home.cli(['approve', 'T1', '--commit', '0123456789', '--json']);
    expect([stale.exitCode, JSON.parse(stale.stdout).error.code]).toEqual([4, 'stale_commit']);
    await home.json(['approve', 'T1', '--commit', row.commit?.slice(0, 12) ?? '']);
    await home.task('T1', ['merged'], 2 * minutes);
    const git = async (...args: string[]) => (await exec(['git', '-C', checkout, ...args], { env: home.env })).stdout;
    const commit = await git('cat-file', 'commit', 'main');
    expect(commit).toContain(`parent ${row.base}\n`);
    expect(commit).toMatch(/^author Ada Person <ada@example\.org> /m);
    expect(commit).toContain(`change-id ${row.change}\n`);
    expect(await git('status', '--porcelain')).toBe('');
    expect(await readFile(join(checkout, 'src/duration.js'), 'utf8')).toContain("[seconds % 60, 's']");
  });
});

describe('going away', () => {
  it('a second up --demo starts at once with the image there is', async () => {
    const began = Date.now();
    const { exitCode } = await home.cli(['up', '--demo', '--no-wait']);
    expect(exitCode).toBe(0);
    const view = await home.see('the second walk has its VM', ({ vms, disks, tasks }) =>
      vms.some((vm) => vm.phase !== 'wanted' && vm.task === 'T2') ? { disks, tasks } : null,
    );
    console.info(`second up: VM wanted and made after ${Date.now() - began} ms`);
    expect(view.disks.map((disk) => disk.phase)).toEqual(['ready']);
    await home.see('the second walk works', ({ ralphs }) => ralphs.some((one) => one.phase === 'working'), 8 * minutes);
    console.info(`second up: first iteration after ${Math.round((Date.now() - began) / 1000)} s`);
  });

  it('down saves the work and stops the VMs', async () => {
    const { iterations: begun } = await home.json<TaskView>(['task', 'show', 'T2']);
    const stream = join(home.paths.runs, begun[0]?.id ?? '', 'stream');
    const hasWritten = async () => (await readFile(stream, 'utf8').catch(() => '')).includes('"name":"write"');
    await home.see('it wrote a file', hasWritten, 2 * minutes);
    await home.json(['down']);
    await home.see('no VM runs', ({ vms }) => vms.every((vm) => vm.phase === 'stopped' || vm.phase === 'gone'));
    expect(await home.domains('running')).toEqual([]);
    const { iterations, task: row } = await home.json<TaskView>(['task', 'show', 'T2']);
    expect(iterations.at(-1)).toMatchObject({ phase: 'ended', savedCommit: row.commit });
    expect(row.commit).toMatch(/^[0-9a-f]{40}$/);
  });

  it('down --delete removes the VMs and nothing else; purge the rest', async () => {
    await home.json(['down', '--delete', '--yes']);
    await home.see('no VM', ({ vms }) => vms.every((vm) => vm.phase === 'gone'));
    expect(await home.json<DiffView>(['diff', 'T2'])).toMatchObject({ patch: expect.stringContaining('minutes') });
    const asked = await home.cli(['purge', '--json']);
    expect([asked.exitCode, asked.stderr]).toEqual([4, expect.stringContaining('T2')]);
    expect(await home.json(['purge', '--yes'])).toMatchObject({ purged: true, unmerged: [{ task: 'T2' }] });
  });
});

async function tmux(...args: string[]): Promise<string> {
  return (await exec(['tmux', ...args], { env: home.env })).stdout;
}

async function paneShows(pane: string, text: RegExp): Promise<void> {
  await home.see(`${text} in the pane`, async () => {
    const shown = await tmux('capture-pane', '-p', '-J', '-t', pane);
    return text.test(shown) && !shown.includes('{"type"') ? shown : null;
  });
}
