import { execFileSync, spawn } from 'node:child_process';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CredentialView } from '../../src/contract/credentials.ts';
import { ownFile } from '../../src/credentials/sources.ts';
import { createGatewayClient } from '../../src/gateway/client.ts';
import { cli } from '../fixtures/cli-run.ts';
import { startFakeDaemon } from '../fixtures/fake-daemon.ts';
import { ago } from '../fixtures/views.ts';
import { type CliHome, createCliHome } from '../support/cli-home.ts';
import { until } from '../support/gateway-process.ts';

const secret = 'sk-ant-oat01-planted-0123456789';

describe('credential, of a real daemon and gateway', () => {
  let home: CliHome;
  beforeEach(async () => {
    home = await createCliHome();
  });
  afterEach(async () => {
    const client = createGatewayClient(home.paths.gatewaySocket);
    const pid = (await client.health().catch(() => null))?.pid;
    await client.close();
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    await home[Symbol.asyncDispose]();
  });

  /** With this on stdin. */
  function give(text: string, ...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
    const bin = join(import.meta.dirname, '../../src/cli/bin.js');
    const child = spawn(process.execPath, [bin, ...args], { env: home.env });
    const said = { out: '', err: '' };
    child.stdout.on('data', (chunk) => (said.out += chunk));
    child.stderr.on('data', (chunk) => (said.err += chunk));
    child.stdin.end(text);
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...said })));
  }
  const shown = async () =>
    JSON.parse((await home.cli('credential', 'show', 'anthropic', '--json')).out).items[0] as CredentialView;
  async function startGateway(): Promise<void> {
    await home.client.call('budgets');
    await until('the gateway answers', async () => (await shown()).state !== 'unknown');
  }

  it('takes one by stdin, uses it at once, shows it and never its value, and gives it up', async () => {
    await home.cli('daemon', 'start');
    expect(await shown()).toMatchObject({ state: 'unknown', from: 'env', chosenBy: 'fleet.yaml', needed: true });
    await startGateway();
    expect(await shown()).toMatchObject({
      state: 'missing',
      why: '$ANTHROPIC_API_KEY is not set',
      remedy: expect.stringContaining('credential set anthropic'),
    });

    const set = await give(`${secret}\n`, 'credential', 'set', 'anthropic');
    expect(set).toMatchObject({ code: 0, out: expect.stringContaining('claude setup-token') });
    const path = ownFile(home.paths, 'anthropic');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await shown()).toMatchObject({
      state: 'present',
      from: 'setup-token',
      kind: 'subscription',
      fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/),
    });

    // Everywhere it could have got to, but for the one file that is its place.
    const all = execFileSync('grep', ['-raslF', '-f', '-', '--', home.root], { input: secret, encoding: 'utf8' })
      .trim()
      .split('\n');
    expect(all).toEqual([path]);
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
      for (const name of ['cmdline', 'environ']) {
        expect(await readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => ''), `${name} of ${pid}`).not.toContain(
          secret,
        );
      }
    }
    expect(set.out + set.err + (await home.cli('credential', 'show')).out).not.toContain(secret);

    const cleared = await home.cli('credential', 'clear', 'anthropic');
    expect(cleared).toMatchObject({ code: 0, out: expect.stringContaining('has no credential of anthropic any more') });
    await expect(stat(path)).rejects.toThrow('ENOENT');
    expect(await shown()).toMatchObject({ state: 'missing', from: 'none' });
  });

  it('is switched over fleet.yaml, keeps that over a restart of the daemon, and goes back', async () => {
    await home.cli('daemon', 'start');
    await startGateway();
    const path = join(home.root, 'login.json');
    await writeFile(path, JSON.stringify({ claudeAiOauth: { accessToken: secret, expiresAt: Date.now() - 1 } }), {
      mode: 0o600,
    });
    const used = await home.cli('credential', 'use', 'anthropic', 'claude-login', '--path', path);
    expect(used).toMatchObject({ code: 0, out: expect.stringContaining('expired') });
    expect(used.out).toContain('run `claude` once on this host');
    await home.cli('daemon', 'stop');
    await home.cli('daemon', 'start');
    expect(await shown()).toMatchObject({ state: 'expired', from: 'claude-login' });
    // doctor looks at the same place, with a daemon and without.
    for (const act of ['status', 'stop']) {
      await home.cli('daemon', act);
      const checks = JSON.parse((await home.cli('doctor', '--json')).out).checks as { id: string; found: string }[];
      expect(checks.find(({ id }) => id === 'credential')?.found).toContain('expired');
    }
    await home.cli('credential', 'use', 'anthropic', '--reset');
    expect(await shown()).toMatchObject({ from: 'env', chosenBy: 'fleet.yaml' });
  });
});

describe('credential, as it is typed', () => {
  const view: CredentialView = {
    ...{ provider: 'anthropic', state: 'refused', kind: 'key', source: '$ANTHROPIC_API_KEY', from: 'env' },
    ...{
      fingerprint: 'abcdef012345',
      since: ago(120_000),
      why: 'the provider turned it down (401)',
      remedy: 'give another one',
    },
    ...{ chosenBy: 'fleet.yaml', needed: true },
  };
  const other: CredentialView = {
    ...view,
    provider: 'openai',
    state: 'missing',
    kind: null,
    needed: false,
    fingerprint: null,
  };

  it('shows what is wrong with those that are needed', async () => {
    await using daemon = await startFakeDaemon({ credentials: () => ({ items: [view, other], next: null }) });
    const { out } = await cli(daemon, ['credential', 'show']);
    expect(out).toMatch(/anthropic refused \(.+\) {2}from \$ANTHROPIC_API_KEY; #abcdef01; as fleet.yaml says/);
    expect(out).toContain('    the provider turned it down (401)\n    give another one\n');
    expect(out.split('\n').filter((line) => line.includes('openai'))).toEqual([
      expect.stringContaining('no agent needs it'),
    ]);
  });

  it('asks for the secret without showing it; refuses it as an argument, and what makes no sense', async () => {
    const bodies: unknown[] = [];
    await using daemon = await startFakeDaemon({
      credentialUse: ({ body }) => {
        bodies.push(body);
        return { message: 'told', changed: true, credential: view };
      },
    });
    const set = await cli(daemon, ['credential', 'set', 'openai'], { tty: true, answers: ['sk-made-up-for-openai'] });
    expect([set.code, set.err]).toEqual([0, expect.stringContaining('Key or token for openai (it is not shown): ')]);
    expect(bodies).toEqual([{ provider: 'openai', source: { from: 'file', path: null }, by: 'ada', reset: false }]);
    const wrong: [string[], string][] = [
      [['set', 'google'], 'is no provider'],
      [['use', 'anthropic', 'sk-ant-api03-0123456789abcdef'], 'never an argument'],
      [['use', 'anthropic', 'vault'], 'no source'],
      [['use', 'anthropic', 'env', '--path', '/x'], '`--path` says nothing about `env`'],
      [['use', 'anthropic', 'file', '--path', 'x'], 'no absolute path'],
      [['set', 'anthropic', 'sk-ant-api03-0123456789abcdef'], 'too many arguments'],
    ];
    for (const [args, said] of wrong)
      expect(await cli(daemon, ['credential', ...args], { stdin: 'x' })).toMatchObject({
        code: 2,
        err: expect.stringContaining(said),
      });
    expect(bodies).toHaveLength(1);
  });
});
