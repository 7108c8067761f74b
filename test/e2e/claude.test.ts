import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskView } from '../../src/contract/task-view.ts';
import { runInGuest } from '../fixtures/guest-shell.ts';
import { type ModelApi, startModelApi } from '../fixtures/model-api.ts';
import { flagged, lesson, makeProject, modelRules, submission } from '../support/claude-project.ts';
import { apiKey, findSecrets, findSecretsInVm } from '../support/find-secret.ts';
import { createFleetHome, exec, type FleetHome } from '../support/fleet-home.ts';
import { until } from '../support/gateway-process.ts';

/**
 * The real Claude Code CLI in real VMs, against a model API of ours: packages by `npm ci` in a setup VM, a wrong and a right
 * iteration, a review, an approval. One walk, looked at from many sides.
 */
const secret = `planted-${Buffer.from(crypto.getRandomValues(new Uint8Array(18))).toString('hex')}`;
const minutes = 60_000;
let home: FleetHome;
let api: ModelApi;
let repo: string;
const began = Date.now();
const say = (what: string) => process.stderr.write(`[${((Date.now() - began) / 1000).toFixed(0)} s] ${what}\n`);

const network = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'https_proxy', 'HTTPS_PROXY', 'npm_config_registry'].flatMap(
  (name) => (process.env[name] === undefined ? [] : [[name, process.env[name] ?? '']]),
);

beforeAll(async () => {
  api = await startModelApi({ rules: modelRules });
  home = await createFleetHome({ ...Object.fromEntries(network), ANTHROPIC_API_KEY: secret });
  repo = join(home.root, 'ages');
  await makeProject(repo, home.env);
  await mkdir(join(home.paths.config), { recursive: true });
  await writeFile(
    home.paths.fleetYaml,
    JSON.stringify({
      version: 1,
      vms: { count: 3, cpus: 1, memoryMiB: 2048, diskGiB: 8, warm: 0 },
      roles: { implementer: 1, reviewer: 1 },
      agent: { cli: 'claude', iterationTimeoutMinutes: 10 },
      review: { required: true, allowNonInteractive: true },
      notify: [{ kind: 'terminal' }],
      upstream: { anthropic: api.url },
    }),
  );
});

afterAll(async () => {
  await home?.close().finally(() => api.close());
  say('closed');
});

/** A column of the VMs' rows; those that are gone included. */
function rows(column: string): Map<string, string> {
  const db = new DatabaseSync(home.paths.fleetDb, { readOnly: true });
  const found = db.prepare(`SELECT id, ${column} AS it FROM vms`).all();
  db.close();
  return new Map(found.map((row) => [String(row['id']), String(row['it'])]));
}

/** One command as root in a ready VM, over the channel nobody else uses. */
async function inGuest(vm: string, command: string): Promise<string> {
  const target = {
    socket: join(home.paths.runtime, `vm-${vm}`, 'spare.sock'),
    hostKey: rows('hostKey').get(vm) ?? '',
    privateKey: await readFile(join(home.paths.keys, 'guest_ed25519'), 'utf8'),
  };
  return (await runInGuest(target, command)).stdout;
}

const task = (id: string): Promise<TaskView> => home.client.call('task', { params: { id } });
const tokensOf = (usage: Record<string, unknown> | null) =>
  ['input_tokens', 'cache_creation_input_tokens', 'output_tokens'].reduce(
    (sum, key) => sum + Number(usage?.[key] ?? 0),
    0,
  );

describe('Claude Code in VMs', () => {
  it('walks from an empty home to a commit of the user, and its key stays on the host', {
    timeout: 40 * minutes,
  }, async () => {
    const up = await home.cli(['up', '--no-attach', '--no-wait', '--json'], { timeoutMs: 5 * minutes });
    expect(up.exitCode, up.stderr + up.stdout).toBe(0);
    await home.json(['project', 'add', repo]);
    await writeFile(join(home.root, 'ralph.json'), JSON.stringify(submission));
    const submitted = await home.json<{ tasks: { id: string; ref: string }[] }>([
      'submit',
      join(home.root, 'ralph.json'),
    ]);
    const words = submitted.tasks.find((t) => t.ref === 'words')?.id ?? '';
    const tiny = submitted.tasks.find((t) => t.ref === 'tiny')?.id ?? '';
    say(`submitted ${words} ${tiny}`);

    await home.see(
      'setup runs',
      ({ disks }) => disks.some((d) => d.kind === 'prepared' && d.progress?.includes('npm ci')),
      8 * minutes,
    );
    say('setup runs');
    await home.see(
      'disk prepared',
      ({ disks }) => disks.some((d) => d.kind === 'prepared' && d.phase === 'ready'),
      8 * minutes,
    );
    say('disk prepared');
    await until('first call', () => api.requests.some((r) => r.method === 'POST'), 8 * minutes);
    say('first call of the model API');
    const worker = await home.see('implementer', ({ vms }) =>
      vms.find((vm) => vm.role === 'implementer' && vm.task === words),
    );
    const verify = JSON.parse(await inGuest(worker.id, 'ralph-verify; true'));
    expect(verify).toMatchObject({ ok: true, problems: [], tools: { claude: '2.1.329' } });
    expect(await inGuest(worker.id, 'runuser -u ralph1 -- claude --version')).toContain('2.1.329');
    const mirror = 'curl -s -o /dev/null -w %{http_code} http://127.0.0.1:4141/registry/npm/ms';
    expect(await inGuest(worker.id, mirror)).toBe('403');
    const machineIds = [await inGuest(worker.id, 'cat /etc/machine-id')];
    say('guest looked at');

    await until(
      'slow answer',
      () => api.requests.some((r) => r.lastUser.includes('age.js has been updated')) && api.openAnswers() === 1,
      8 * minutes,
    );
    say('second iteration mends');
    const mender = await home.see('mender', ({ vms }) =>
      vms.find((vm) => vm.role === 'implementer' && vm.task === words),
    );
    machineIds.push(await inGuest(mender.id, 'cat /etc/machine-id'));
    const daemon = await home.daemonPid();
    process.kill(daemon, 'SIGKILL');
    expect(await findSecretsInVm(home, mender.name, [await apiKey(home, secret)])).toEqual([]);
    say('no key in the memory and on the disk of the VM');
    await until('the CLI goes on', () => api.openAnswers() === 0, minutes);
    say('stream over without a daemon');
    const calls = api.requests.length;
    await until('the CLI asks again', () => api.requests.length > calls, 2 * minutes);
    await home.json(['tasks']);
    expect(await home.daemonPid()).not.toBe(daemon);

    const waiting = await home.task(
      words,
      ['awaiting_approval', 'blocked', 'failed', 'stalled', 'needs_input'],
      8 * minutes,
    );
    say(`${words} is ${waiting.phase}`);
    expect(waiting.phase).toBe('awaiting_approval');
    const seen = await task(words);
    expect(seen.iterations.map((it) => [it.role, it.outcome])).toEqual([
      ['implementer', 'done'],
      ['implementer', 'done'],
      ['reviewer', 'done'],
    ]);
    expect(seen.reviews.map((it) => it.phase)).toEqual(['approved']);
    for (const { arrived } of seen.iterations) {
      expect(arrived).toEqual({ prompt: expect.any(String), tools: expect.any(String) });
    }
    expect(seen.flags).toMatchObject([{ what: flagged, severity: 'high', seen: false }]);
    const second = api.requests.find((r) => r.firstUser.includes('This is iteration 2'));
    expect(second?.firstUser).toContain(lesson);
    expect(await home.json(['project', 'notes', 'ages'])).toMatchObject({ items: [{ text: lesson, times: 1 }] });
    expect(seen.files.map((f) => f.path)).toEqual(['src/age.js']);

    const parked = await home.task(tiny, ['over_budget', 'blocked', 'failed', 'stalled'], 8 * minutes);
    say(`${tiny} is ${parked.phase}`);
    expect(parked.phase).toBe('over_budget');
    const spentOf = (isTiny: boolean) =>
      api.requests
        .filter(
          (r) =>
            r.url.startsWith('/v1/messages') && r.usage !== null && /next to no budget/.test(r.firstUser) === isTiny,
        )
        .reduce((sum, r) => sum + tokensOf(r.usage), 0);
    expect(parked.spent.tokens).toBe(spentOf(true));
    expect((await task(words)).task.spent.tokens).toBe(spentOf(false));
    // Its first call could have cost more than it may spend: it never left.
    expect(parked.spent.tokens).toBe(0);

    // A setup, two implementers of one task and one of the other, two verifiers, a reviewer; all but the first from one disk.
    const keys = [...rows('hostKey').values()].filter((key) => key !== 'null');
    expect(keys.length).toBeGreaterThanOrEqual(6);
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(rows('disk').values()).size).toBe(2);
    expect(machineIds[0]).not.toBe(machineIds[1]);

    const commit = seen.task.commit ?? '';
    await home.json(['approve', words, '--commit', commit]);
    await home.task(words, ['merged'], 2 * minutes);
    say('merged');
    const git = async (...args: string[]) => (await exec(['git', ...args], { cwd: repo, env: home.env })).stdout.trim();
    expect(await git('log', '-1', '--format=%an <%ae> %cn', 'main')).toBe('Ada Person <ada@example.org> Ada Person');
    expect(await git('diff', '--name-only', 'main~1', 'main')).toBe('src/age.js');

    expect(new Set(api.requests.filter((r) => r.method === 'POST').map((r) => r.headers['x-api-key']))).toEqual(
      new Set([secret]),
    );
    expect(await findSecrets(home, [await apiKey(home, secret)])).toEqual([]);
  });
});
