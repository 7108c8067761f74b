import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CredentialLook, CredentialSource } from '../../src/domain/credential.ts';
import { fingerprintOf } from '../../src/gateway/credentials/credential.ts';
import { sendEvent, sendJson, startStream } from '../fixtures/provider.ts';
import { until } from '../support/gateway-process.ts';
import { type GatewayScene, openGatewayScene } from '../support/gateway-scene.ts';

// The real gateway process; its credential changes while it runs.
let scene: GatewayScene;
let folder: string;
let tasks = 0;
const first = 'made-up-key-number-one';
const second = 'made-up-key-number-two';
const oauth = 'sk-ant-oat01-made-up-subscription';
const inEnv = 'sk-ant-not-a-key';
const secrets = [first, second, oauth, inEnv];

beforeAll(async () => {
  scene = await openGatewayScene();
  folder = mkdtempSync(join(tmpdir(), 'rf-gwc-'));
});
afterAll(async () => {
  await scene.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  scene.provider.requests.length = 0;
  scene.provider.answer = (res) => sendJson(res, answer);
});

const usage = { input_tokens: 7, output_tokens: 5 };
const answer = {
  id: 'm',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-6',
  content: [],
  stop_reason: 'end_turn',
  usage,
};
const message = { model: 'claude-sonnet-4-6', max_tokens: 50, messages: [{ role: 'user', content: 'hi' }] };

const put = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};
async function use(source: CredentialSource, again = false): Promise<CredentialLook> {
  const looks = await scene.gateway.client.credentials([{ provider: 'anthropic', source, again }]);
  const [look] = looks.filter(({ provider }) => provider === 'anthropic');
  if (look === undefined) throw new Error('no look');
  return look;
}
const file = (path: string): CredentialSource => ({ from: 'file', path });
const see = async () => (await scene.gateway.client.credentials([])).find(({ provider }) => provider === 'anthropic');

async function call(more: { headers?: Record<string, string>; path?: string; body?: object } = {}) {
  const task = `C${++tasks}`;
  const token = await scene.grant(task);
  const got = await request(`${scene.guest.url}${more.path ?? '/v1/messages'}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...more.headers },
    body: JSON.stringify(more.body ?? message),
    reset: true,
  });
  return { task, status: got.statusCode, headers: got.headers, body: got.body };
}
const settled = async (task: string) => (await scene.settled(task))[0];
const refuse = (status: number, said: string) => {
  scene.provider.answer = (res) => sendJson(res, { type: 'error', error: { type: 'x', message: said } }, status);
};

describe('what goes up', () => {
  it('is an API key as such, an OAuth token as a bearer with the word for it among the guest’s own', async () => {
    expect(await use(file(put('key', first)))).toMatchObject({
      state: 'present',
      kind: 'key',
      fingerprint: fingerprintOf(first),
    });
    const { task, status } = await call({ headers: { 'anthropic-beta': 'one,two' } });
    expect(status).toBe(200);
    expect(scene.provider.requests[0]?.headers).toMatchObject({ 'x-api-key': first, 'anthropic-beta': 'one,two' });
    expect(scene.provider.requests[0]?.headers.authorization).toBeUndefined();
    expect(await settled(task)).toMatchObject({ imputed: false, outputTokens: 5 });

    expect(await use(file(put('token', oauth)))).toMatchObject({ state: 'present', kind: 'subscription' });
    const tasksOf = [];
    for (const beta of [undefined, 'one,two', 'oauth-2025-04-20, one'])
      tasksOf.push((await call({ headers: beta === undefined ? {} : { 'anthropic-beta': beta } })).task);
    const seen = scene.provider.requests.slice(1).map(({ headers }) => headers);
    expect(seen.map((headers) => headers['anthropic-beta'])).toEqual([
      'oauth-2025-04-20',
      'one,two,oauth-2025-04-20',
      'one,oauth-2025-04-20',
    ]);
    for (const headers of seen) {
      expect(headers.authorization).toBe(`Bearer ${oauth}`);
      expect(headers['x-api-key']).toBeUndefined();
    }
    expect(await settled(tasksOf[0] ?? '')).toMatchObject({ imputed: true, outputTokens: 5 });
  });

  it('changes with its file and with its source, and nothing is started anew', async () => {
    const path = put('key', first);
    await use(file(path));
    await call();
    put('key', second);
    await until(
      'the new key goes up',
      async () => (await call()) && scene.provider.requests.at(-1)?.headers['x-api-key'] === second,
    );
    expect(await use({ from: 'env', name: 'ANTHROPIC_API_KEY' })).toMatchObject({ state: 'present', kind: 'key' });
    await call();
    expect(scene.provider.requests.at(-1)?.headers['x-api-key']).toBe(inEnv);
    expect(await use({ from: 'env', name: 'NOT_SET_HERE' })).toMatchObject({
      state: 'missing',
      remedy: expect.stringContaining('credential set'),
    });
  });

  it('is a login while that is valid, and again once its owner has renewed it', async () => {
    const path = join(folder, '.credentials.json');
    const login = (accessToken: string, expiresAt: number) =>
      put(
        '.credentials.json',
        JSON.stringify({ claudeAiOauth: { accessToken, refreshToken: 'sk-ant-ort01-made-up', expiresAt } }),
      );
    login(oauth, Date.now() - 60_000);
    expect(await use({ from: 'claude-login', path })).toMatchObject({
      state: 'expired',
      remedy: expect.stringContaining('run `claude` once'),
    });
    const { status, body, task } = await call();
    expect([status, await body.text()]).toEqual([403, expect.stringContaining('is expired')]);
    expect(await settled(task)).toMatchObject({ refused: 'credential', status: 0, usd: 0 });
    login(oauth, Date.now() + 3_600_000);
    await until('the renewed login goes up', async () => (await call()).status === 200);
    writeFileSync(path, '{"claudeAiOauth": {"acc');
    await until('it is seen half written', async () => (await see())?.why?.includes('not whole'));
    expect((await call()).status).toBe(200);
  });
});

describe('one that is taken away', () => {
  it('ends what goes on with it, and lets nothing new up', async () => {
    const path = put('key', first);
    await use(file(path));
    scene.provider.answer = async (res) => {
      startStream(res);
      await sendEvent(res, { type: 'message_start', message: { model: 'claude-sonnet-4-6', usage } });
    };
    const open = await call({ body: { ...message, stream: true } });
    const rest = open.body.text().then(
      () => 'whole',
      () => 'cut',
    );
    await until('it streams', async () => scene.provider.open() === 1);
    rmSync(path);
    expect(await rest).toBe('cut');
    await until('the provider is let go of', async () => scene.provider.open() === 0);
    expect((await settled(open.task))?.outputTokens).toBeGreaterThan(0);
    const { status, headers, body } = await call();
    expect([status, headers['x-should-retry']]).toEqual([403, 'false']);
    const said = await body.text();
    expect(said).toContain('ralph-fleet credential show');
    expect(said).not.toContain(path);
    expect(scene.provider.requests).toHaveLength(1);
  });

  it('by a person, at once', async () => {
    await use(file(put('key', first)), true);
    scene.provider.answer = (res) => startStream(res);
    const open = call({ body: { ...message, stream: true } }).then(({ body }) => body.text());
    const rest = open.then(
      () => 'whole',
      () => 'cut',
    );
    await until('it is open', async () => scene.provider.open() === 1);
    expect(await use({ from: 'none' })).toMatchObject({ state: 'missing', kind: null });
    expect(await rest).toBe('cut');
    expect((await call()).status).toBe(403);
  });
});

describe('one that its provider turns down in the middle of the night', () => {
  it('goes up once, and never again until it is another one', async () => {
    await use(file(put('key', first)));
    refuse(401, 'invalid x-api-key');
    const down = await call();
    expect([down.status, down.headers['x-should-retry']]).toEqual([401, 'false']);
    expect(await settled(down.task)).toMatchObject({ refused: 'credential', status: 401, usd: 0 });
    const look = await see();
    expect(look).toMatchObject({
      state: 'refused',
      fingerprint: fingerprintOf(first),
      why: expect.stringContaining('401'),
    });
    const others = await Promise.all([1, 2, 3, 4, 5].map(() => call()));
    expect(others.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403]);
    expect(scene.provider.requests).toHaveLength(1);
    expect((await see())?.since).toBe(look?.since);

    scene.provider.answer = (res) => sendJson(res, answer);
    expect(await use(file(join(folder, 'key')))).toMatchObject({ state: 'refused' });
    put('key', second);
    await until('another one is taken', async () => (await call()).status === 200);
    put('key', first);
    await until('the first is known again', async () => (await see())?.state === 'refused');
    expect(await use(file(join(folder, 'key')), true)).toMatchObject({ state: 'present' });
    expect((await call()).status).toBe(200);
  });

  it('by 403 only where that speaks of the credential; what costs nothing tells too', async () => {
    await use(file(put('key', second)), true);
    refuse(403, 'Your account does not have access to the model claude-opus-9');
    expect((await call()).status).toBe(403);
    expect(await see()).toMatchObject({ state: 'present' });
    refuse(403, 'OAuth token has been revoked. Please obtain a new token.');
    await (await call()).body.text();
    await until('it counts as refused', async () => (await see())?.state === 'refused');
    await use(file(join(folder, 'key')), true);
    refuse(401, 'invalid x-api-key');
    await (await call({ path: '/v1/messages/count_tokens' })).body.text();
    await until('it counts as refused', async () => (await see())?.state === 'refused');
  });
});

describe('a credential of one provider', () => {
  it('says nothing of another’s', async () => {
    await use({ from: 'none' });
    scene.provider.answer = (res) =>
      sendJson(res, {
        object: 'chat.completion',
        model: 'gpt-5',
        choices: [],
        usage: { prompt_tokens: 1, completion_tokens: 1 },
      });
    const { status } = await call({
      path: '/v1/chat/completions',
      body: { model: 'gpt-5', max_completion_tokens: 5, messages: message.messages },
    });
    expect(status).toBe(200);
    expect(scene.provider.requests.at(-1)?.headers.authorization).toBe('Bearer sk-not-a-key');
  });
});

describe('what the gateway reads', () => {
  it('stands in no log and no book of it, and in no child of its', async () => {
    mkdirSync(join(folder, 'bin'), { recursive: true });
    const toolPath = join(folder, 'secret-tool-was-here');
    writeFileSync(
      join(folder, 'bin', 'secret-tool'),
      `#!/bin/sh\n{ env; echo "$@"; } > ${toolPath}\nprintf %s '${first}'\n`,
    );
    chmodSync(join(folder, 'bin', 'secret-tool'), 0o755);
    await scene.gateway.end('SIGTERM');
    await scene.restart({ PATH: `${folder}/bin:${process.env['PATH']}` });
    expect(await use({ from: 'keychain', service: 's', account: 'a' }, true)).toMatchObject({
      state: 'present',
      fingerprint: fingerprintOf(first),
    });
    expect((await call()).status).toBe(200);
    const child = readFileSync(toolPath, 'utf8');
    expect(child).toContain('lookup service s account a');
    for (const source of [
      file(put('key', second)),
      file(put('token', oauth)),
      { from: 'env', name: 'ANTHROPIC_API_KEY' },
    ] as CredentialSource[]) {
      await use(source, true);
      refuse(401, `your key ${scene.provider.requests.at(-1)?.headers['x-api-key']} is wrong`);
      await (await call()).body.text();
    }
    const state = join(scene.folder, 'state', 'ralph-fleet');
    const kept = readdirSync(state)
      .filter((name) => name.startsWith('gas'))
      .map((name) => readFileSync(join(state, name), 'latin1'));
    expect(kept.length).toBeGreaterThan(0);
    for (const secret of [...secrets, 'sk-ant-ort01-made-up']) {
      expect(child).not.toContain(secret);
      for (const text of [scene.gateway.output(), ...kept]) expect(text).not.toContain(secret);
    }
  });
});
