import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { beginMessage, type Provider, sendEvent, sendJson, startProvider, textDelta } from '../fixtures/provider.ts';
import { crashPoints } from '../support/crash-points.ts';
import { type GatewayChild, startGatewayChild } from '../support/gateway-child.ts';
import { until } from '../support/gateway-process.ts';

/**
 * `kill -9` of the gateway at every step of a call, with streams of others open: afterwards the books hold at least what the provider
 * really gave, at most the worst case, and say what is not known.
 */
let folder: string;
let provider: Provider;
let gateway: GatewayChild;

const grants = ['done', 'silent', 'stream', 'victim'] as const;
const usage = { input_tokens: 40, output_tokens: 300 };
const asked = { model: 'claude-sonnet-4-6', max_tokens: 1000 };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rf-gwk-'));
  provider = await startProvider();
  provider.answer = async (res, body) => {
    const what = JSON.stringify(body['messages']);
    if (what.includes('silent')) return;
    if (what.includes('done')) return sendJson(res, { model: asked.model, content: [], usage });
    await beginMessage(res, usage);
    await sendEvent(res, textDelta('a few words'));
    if (what.includes('stream')) return;
    await sendEvent(res, { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 300 } });
    if (what.includes('unfinished')) return;
    await sendEvent(res, { type: 'message_stop' });
    res.end();
  };
});

afterEach(async () => {
  await gateway.kill();
  await provider.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Granted afresh: the books keep the grants, so only the first start needs it. */
async function start(crashPoint?: string): Promise<void> {
  gateway = await startGatewayChild(folder, provider.url, crashPoint);
}

function post(task: string, content = task) {
  const body = JSON.stringify({ ...asked, stream: true, messages: [{ role: 'user', content }] });
  return request(`${gateway.url}/v1/messages`, { method: 'POST', headers: { 'x-api-key': `t-${task}` }, body });
}

/** One call is done, one has no answer yet, one is in the middle of its answer. */
async function openOthers(): Promise<void> {
  for (const task of grants) await gateway.grant(`t-${task}`, { task, iteration: `it-${task}`, ralph: `r-${task}` });
  await (await post('done')).body.dump();
  post('silent').catch(() => {});
  const { body } = await post('stream');
  body.on('error', () => {}).resume();
  await until('both are open', () => provider.open() === 2);
}

async function settled(task: string) {
  return (await gateway.settlements()).filter((it) => it.task === task);
}

/** What every call of the others has come to after the crash; the worst case is what was reserved. */
async function checkOthers(): Promise<void> {
  expect(await settled('done')).toMatchObject([{ inputTokens: 40, outputTokens: 300, counted: 'said', flags: [] }]);
  for (const task of ['silent', 'stream']) {
    const [call, ...more] = await settled(task);
    expect([task, more, call?.flags, call?.counted]).toEqual([task, [], ['unsettled'], 'worst']);
    expect([call?.inputTokens, call?.outputTokens]).toEqual([(call?.worst.tokens ?? 0) - 1000, 1000]);
    expect(call?.usd).toBe(call?.worst.usd);
    expect(call?.inputTokens).toBeGreaterThanOrEqual(40);
  }
}

/** The tree shows what the rows say, and nothing is held for calls that are no more. */
async function checkLevels(): Promise<void> {
  const all = await gateway.settlements();
  const level = await gateway.level('fleet');
  expect(level.reserved).toEqual({ tokens: 0, usd: 0, calls: 0 });
  expect(level.settled.tokens).toBe(all.reduce((sum, it) => sum + it.inputTokens + it.outputTokens, 0));
  expect(level.settled.usd).toBeCloseTo(
    all.reduce((sum, it) => sum + it.usd, 0),
    9,
  );
}

const unsettled = { flags: ['unsettled'], counted: 'worst', outputTokens: 1000 };
/** What the call that was at the point comes to, and whether the provider saw it. */
const afterwards: Record<(typeof crashPoints)[number], { books: object[]; isSeen: boolean }> = {
  'before it is reserved': { books: [], isSeen: false },
  'after it is reserved': { books: [unsettled], isSeen: false },
  'before it leaves': { books: [unsettled], isSeen: false },
  'before it is settled': { books: [unsettled], isSeen: true },
  'after it is settled': { books: [{ flags: [], counted: 'said', inputTokens: 40, outputTokens: 300 }], isSeen: true },
};

describe('a gateway that is killed', () => {
  it.each(crashPoints)(
    'with streams open and a call at the point %s finds its books as they must be',
    async (point) => {
      await start(point);
      await openOthers();
      await gateway.crash();
      const [call] = await Promise.allSettled([post('victim').then(({ body }) => body.text()), gateway.ended]);
      expect(call.status === 'rejected' || !String(call.value).includes('message_stop')).toBe(true);
      expect(await gateway.ended).toBe('SIGKILL');
      await until('the provider is let go', () => provider.open() === 0);
      const seen = provider.requests.map((it) => it.body).filter((body) => body.includes('victim'));
      expect(seen).toHaveLength(afterwards[point].isSeen ? 1 : 0);

      await start();
      await checkOthers();
      expect(await settled('victim')).toMatchObject(afterwards[point].books);
      await checkLevels();
      // Nothing is sent again, and nothing counted twice by another start.
      const before = await gateway.settlements();
      await gateway.kill();
      await start();
      expect(await gateway.settlements()).toEqual(before);
      await checkLevels();
      expect(provider.requests.filter((it) => it.body.includes('victim'))).toHaveLength(seen.length);
      expect(await (await post('victim')).body.text()).toContain('message_stop');
    },
  );

  it('by another hand, after the provider told the usage and before its last word, counts no less than that', async () => {
    await start();
    await openOthers();
    const { body } = await post('victim', 'unfinished');
    await until('the figures came', async () => {
      // The client stays: one that leaves would end the call.
      const pieces = body.iterator({ destroyOnReturn: false });
      for await (const piece of pieces) if (String(piece).includes('message_delta')) return true;
      return false;
    });
    await gateway.kill();
    await start();
    await checkOthers();
    expect(await settled('victim')).toMatchObject([unsettled]);
    await checkLevels();
  });
});
