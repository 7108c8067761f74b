import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createConnection, createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../support/gateway-process.ts';

/** The guest's own program, with a unix socket in place of the tunnel. */
let folder: string;
let relay: ChildProcess | null = null;
let tunnel: Server | null = null;
let asked: string[] = [];
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rf-relay-'));
  asked = [];
  const free = createNetServer();
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
  port = (free.address() as AddressInfo).port;
  await new Promise((resolve) => free.close(resolve));
});

afterEach(async () => {
  relay?.kill('SIGKILL');
  tunnel?.closeAllConnections();
  tunnel?.close();
  tunnel = null;
  rmSync(folder, { recursive: true, force: true });
});

async function start(holdMs: number): Promise<void> {
  const script = join(folder, 'ralph-relay.cjs');
  copyFileSync('src/guest/scripts/ralph-relay', script);
  const target = join(folder, 'gateway.sock');
  const env = { RALPH_RELAY_TARGET: target, RALPH_RELAY_PORT: String(port), RALPH_RELAY_HOLD_MS: String(holdMs) };
  relay = spawn(process.execPath, [script], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  await until('the relay listens', async () => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const isThere = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    return isThere;
  });
}

async function openTunnel(): Promise<void> {
  tunnel = createServer((req, res) => {
    let body = '';
    req.on('data', (chunk) => {
      body += String(chunk);
    });
    req.on('end', () => {
      asked.push(body);
      res.end(`got ${body.length}`);
    });
  });
  await new Promise<void>((resolve) => tunnel?.listen(join(folder, 'gateway.sock'), resolve));
}

const post = (body: string, signal?: AbortSignal) =>
  request(`http://127.0.0.1:${port}/`, { method: 'POST', body, reset: true, ...(signal ? { signal } : {}) });

describe('the relay, while there is no tunnel', () => {
  it('holds requests of any size until there is one', async () => {
    await start(60_000);
    const held = [post('small'), post('x'.repeat(3_000_000))];
    await new Promise((resolve) => setTimeout(resolve, 500)); // longer than between two of its looks
    await openTunnel();
    const answers = await Promise.all(held.map(async (it) => (await it).body.text()));
    expect(answers).toEqual(['got 5', 'got 3000000']);
  });

  it('tells who waited too long, in HTTP', async () => {
    await start(300);
    const { statusCode, headers, body } = await post('late');
    expect([statusCode, headers['retry-after']]).toEqual([503, '5']);
    expect(await body.json()).toMatchObject({ type: 'error', error: { type: 'api_error' } });
  });

  it('forgets who hung up: nothing is sent that nobody waits for', async () => {
    await start(60_000);
    const leave = new AbortController();
    const gone = post('gone', leave.signal);
    const stays = post('stays');
    await new Promise((resolve) => setTimeout(resolve, 300));
    leave.abort();
    await expect(gone).rejects.toThrow();
    await openTunnel();
    expect(await (await stays).body.text()).toBe('got 5');
    // A second look of the relay's lies between the two.
    expect(await (await post('next')).body.text()).toBe('got 4');
    expect(asked).toEqual(['stays', 'next']);
  });
});
