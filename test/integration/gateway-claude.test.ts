import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createGatewayClient, type GatewayClient } from '../../src/gateway/client.ts';
import { type ModelApi, startModelApi } from '../fixtures/model-api.ts';
import { installClaude, startClaude } from '../support/claude-cli.ts';
import { type FakeGuest, startFakeGuest } from '../support/fake-guest.ts';
import { grantFor, stateEnvironment, statePaths, until } from '../support/gateway-process.ts';

/** The real Claude Code CLI, through a real tunnel and the real gateway, with a daemon beside it that may be killed. */
const secret = `planted${randomBytes(16).toString('hex')}`; // of no known shape, so that no pattern can hide it by luck
const token = `rft_${randomBytes(16).toString('hex')}`;
let claude: string;
let folder: string;
let home: string;
let api: ModelApi;
let guest: FakeGuest;
let daemon: { pid: number; gatewayPid: number };
let client: GatewayClient;

beforeAll(() => {
  claude = installClaude();
});

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rf-gwc-'));
  home = join(folder, 'home');
  mkdirSync(join(home, 'work'), { recursive: true });
  api = await startModelApi();
  guest = await startFakeGuest(join(folder, 'g'));
  daemon = await startDaemon();
  client = createGatewayClient(statePaths(folder).gatewaySocket);
  await client.putTunnel('vm1', guest.tunnel);
  await client.putGrant('g1', grantFor(token));
  await until('tunnel connected', async () => (await client.tunnels())[0]?.state === 'connected');
});

afterEach(async () => {
  await client.close();
  for (const pid of [daemon.pid, daemon.gatewayPid]) kill(pid);
  await guest.close();
  await api.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});

async function startDaemon() {
  const argv = ['test/support/stand-in-daemon.ts'];
  const child = spawn(process.execPath, [...argv, '--upstream', api.url, '--guest-socket', guest.guestSocket], {
    env: { ...stateEnvironment(folder), ANTHROPIC_API_KEY: secret },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += String(chunk);
  });
  const line = await until('gateway started', () => /^(\d+)\n/.exec(said));
  return { pid: child.pid ?? 0, gatewayPid: Number(line[1]) };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it is gone already
  }
}

function ask(prompt: string) {
  return startClaude(claude, { home, cwd: join(home, 'work'), url: guest.url, token, prompt });
}

/** Every file under a folder, as bytes. */
function filesOf(at: string): { path: string; bytes: Buffer }[] {
  return readdirSync(at, { recursive: true, encoding: 'utf8' })
    .map((name) => join(at, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .map((path) => ({ path, bytes: readFileSync(path) }));
}

function procFile(pid: number | string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}

describe('Claude Code through the gateway', () => {
  it('works with tools, is metered as the model API said, and never comes near the credential', async () => {
    api.setRules([
      {
        lastUser: 'made-by-tool',
        reply: { text: 'All done.', usage: { input_tokens: 50, output_tokens: 7 } },
      },
      {
        lastUser: 'MAKE IT',
        reply: {
          tools: [{ name: 'Bash', input: { command: 'env; echo made-by-tool' } }],
          usage: {
            input_tokens: 1234,
            cache_creation_input_tokens: 10,
            cache_read_input_tokens: 900,
            output_tokens: 56,
          },
        },
      },
    ]);
    const run = ask('MAKE IT');
    const seenOfClient = { environ: '' };
    const watch = setInterval(() => {
      seenOfClient.environ = procFile(run.pid, 'environ') || seenOfClient.environ;
    }, 20);
    const { exitCode, result, stdout, stderr } = await run.ended.finally(() => clearInterval(watch));
    expect({ exitCode, result: result['result'], isError: result['is_error'] }).toEqual({
      ...{ exitCode: 0, result: 'All done.', isError: false },
    });
    expect(api.requests.map((it) => it.headers['x-api-key'])).toEqual([secret, secret]);
    const { settlements } = await client.settlements(0);
    expect(settlements).toMatchObject([
      { inputTokens: 1234, cacheWriteTokens: 10, cacheReadTokens: 900, outputTokens: 56, status: 200 },
      { inputTokens: 50, outputTokens: 7, status: 200 },
    ]);
    const usd = settlements.reduce((sum, it) => sum + it.usd, 0);
    expect(usd).toBeCloseTo(Number(result['total_cost_usd']), 9); // the CLI's own price list agrees
    const [level] = await client.levels(['task:T1']);
    expect(level?.settled).toEqual({ tokens: 1234 + 10 + 56 + 57, usd, calls: 2 });

    expect(seenOfClient.environ).toContain(token);
    expect(seenOfClient.environ + stdout + stderr).not.toContain(secret);
    const files = filesOf(folder);
    expect(files.map((it) => it.path)).toEqual(
      expect.arrayContaining([statePaths(folder).gasDb, join(statePaths(folder).logs, 'gateway.log')]),
    );
    expect(files.filter((it) => it.bytes.includes(secret)).map((it) => it.path)).toEqual([]);
    const ledger = files.filter((it) => it.path.includes('gas.db'));
    expect(ledger.filter((it) => it.bytes.includes(token))).toEqual([]); // its hash only
    const pids = readdirSync('/proc').filter((it) => /^\d+$/.test(it));
    expect(pids.filter((pid) => procFile(pid, 'cmdline').includes(secret))).toEqual([]);
  });

  it('ends with the first refused call when the task is over its limit', async () => {
    const budget = { node: 'task:T1', per: 'total', tokens: 400_000, usd: null, calls: null } as const;
    await client.putBudgets([budget]);
    api.setRules([
      {
        lastUser: 'BIG',
        times: 1,
        reply: { tools: [{ name: 'Bash', input: { command: 'echo on' } }], usage: { input_tokens: 399_980 } },
      },
    ]);
    const { exitCode, result } = await ask('BIG').ended;
    expect(exitCode).toBe(1);
    expect(result).toMatchObject({ is_error: true, api_error_status: 402, api_error_type: 'billing_error' });
    expect(result['result']).toContain('Task `T1` is over its budget: 400000 tokens of 400000 tokens are used');
    expect(api.requests).toHaveLength(1);
    const { settlements } = await client.settlements(0);
    expect(settlements.map((it) => [it.status, it.refused])).toEqual([
      [200, null],
      [402, 'tokens'],
    ]);
  });

  it('ends at once on a usage limit that is hours long, whoever meets it first, with one request going up', async () => {
    const reset = String(Math.floor(Date.now() / 1000) + 3 * 3600);
    const rejected = {
      'anthropic-ratelimit-unified-status': 'rejected',
      'anthropic-ratelimit-unified-reset': reset,
      'anthropic-ratelimit-unified-representative-claim': 'five_hour',
    };
    api.setRules([{ reply: { status: 429, headers: rejected } }]);
    for (const name of ['FIRST', 'SECOND']) {
      const { exitCode, result } = await ask(name).ended;
      expect(exitCode).toBe(1);
      expect(result).toMatchObject({ is_error: true, api_error_status: 429 });
      expect(result['result']).toContain('the 5-hour limit of anthropic is reached');
      expect(api.requests).toHaveLength(1);
    }
    const { settlements } = await client.settlements(0);
    expect(settlements.map((it) => [it.status, it.refused, it.fault])).toEqual([
      [429, 'upstream', 'limit'],
      [429, 'limit', 'limit'],
    ]);
  });

  it('ends at once where the provider has no such model', async () => {
    api.setRules([{ reply: { status: 404, error: { type: 'not_found_error', message: 'model: opus-99' } } }]);
    const { exitCode, result } = await ask('WHICH').ended;
    expect([exitCode, result['is_error'], result['api_error_status']]).toEqual([1, true, 404]);
    // Once as a stream, once more as a whole.
    const refused = [404, 0, 'model'];
    const { settlements } = await client.settlements(0);
    expect(settlements.map((it) => [it.status, it.usd, it.fault])).toEqual([refused, refused]);
  });

  it('sits out a limit of seconds by itself', async () => {
    api.setRules([
      { times: 1, reply: { status: 429, headers: { 'retry-after': '2' } } },
      { reply: { text: 'After all.' } },
    ]);
    expect((await ask('WAIT').ended).result).toMatchObject({ is_error: false, result: 'After all.' });
    expect(api.requests).toHaveLength(2);
  });

  it('goes on when the daemon is killed in the middle of its stream', async () => {
    api.setRules([{ reply: { text: 'word '.repeat(300), paceMs: 30 } }]);
    const run = ask('LONG');
    await until('stream open', () => api.openAnswers() === 1);
    kill(daemon.pid);
    await until('daemon gone', () => procFile(daemon.pid, 'stat') === '' || /\) Z/.test(procFile(daemon.pid, 'stat')));
    expect(api.openAnswers()).toBe(1);
    const { result } = await run.ended;
    expect(result).toMatchObject({ is_error: false, result: 'word '.repeat(300) });
    expect(api.requests).toHaveLength(1);
    expect((await client.health()).pid).toBe(daemon.gatewayPid);
    expect((await client.settlements(0)).settlements).toMatchObject([{ status: 200, outputTokens: 20 }]);
  });

  it('goes on when the gateway is killed in the middle of its stream and started again', async () => {
    api.setRules([
      { times: 1, reply: { text: 'x'.repeat(900), stall: 'middle', usage: { input_tokens: 321 } } },
      { reply: { text: 'Second try.', usage: { input_tokens: 22, output_tokens: 3 } } },
    ]);
    const run = ask('KILL');
    await until('stream noted', async () => (await client.health()).openStreams === 1 && api.requests.length === 1);
    kill(daemon.gatewayPid);
    kill(daemon.pid);
    daemon = await startDaemon();
    const { result } = await run.ended;
    expect(result).toMatchObject({ is_error: false, result: 'Second try.' });
    const { settlements, last } = await client.settlements(0);
    expect(settlements.map((it) => it.seq)).toEqual(settlements.map((_, at) => at + 1));
    expect(last).toBe(settlements.length);
    // What was open counts at its worst case: a token for each byte of its prompt.
    expect(settlements[0]).toMatchObject({ status: 0, refused: 'upstream', counted: 'worst', flags: ['unsettled'] });
    expect(settlements[0]?.inputTokens).toBeGreaterThan(321);
    expect(settlements.at(-1)).toMatchObject({ status: 200, inputTokens: 22, outputTokens: 3 });
  });
});
