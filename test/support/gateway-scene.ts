import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Dispatcher, request } from 'undici';
import type { Grant, Level, NodeBudget, Settlement } from '../../src/contract/gateway.ts';
import { type Provider, startProvider } from '../fixtures/provider.ts';
import { type FakeGuest, startFakeGuest } from './fake-guest.ts';
import { type GatewayProcess, grantFor, startGatewayProcess, until } from './gateway-process.ts';

/** The real gateway process between a guest's tunnel and a provider that does as it is told. */
export interface GatewayScene {
  folder: string;
  provider: Provider;
  guest: FakeGuest;
  gateway: GatewayProcess;
  /** A token of a task of its own, so that tests do not meet in the books. */
  grant(task: string, more?: Partial<Grant>): Promise<string>;
  post(token: string, path: string, body: unknown, more?: { signal?: AbortSignal }): Promise<Dispatcher.ResponseData>;
  limit(node: string, budget: Partial<Pick<NodeBudget, 'tokens' | 'usd' | 'calls'>>): Promise<void>;
  level(node: string): Promise<Level>;
  settled(task: string): Promise<Settlement[]>;
  restart(env?: Record<string, string>): Promise<void>;
  close(): Promise<void>;
}

export async function openGatewayScene(): Promise<GatewayScene> {
  const folder = mkdtempSync(join(tmpdir(), 'rf-gws-'));
  const provider = await startProvider();
  const guest = await startFakeGuest(join(folder, 'g'));
  const start = (env: Record<string, string> = {}) =>
    startGatewayProcess(folder, {
      upstream: provider.url,
      guestSocket: guest.guestSocket,
      env: {
        ANTHROPIC_API_KEY: 'sk-ant-not-a-key',
        OPENAI_API_KEY: 'sk-not-a-key',
        OPENAI_UPSTREAM: provider.url,
        ...env,
      },
    });
  const connected = () =>
    until('tunnel connected', async () => (await scene.gateway.client.tunnels())[0]?.state === 'connected');
  const scene: GatewayScene = {
    folder,
    provider,
    guest,
    gateway: await start(),
    grant: async (task, more = {}) => {
      const token = `rft_${randomBytes(16).toString('hex')}`;
      await scene.gateway.client.putGrant(
        `g-${task}`,
        grantFor(token, { task, iteration: `it-${task}`, ralph: `r-${task}`, ...more }),
      );
      return token;
    },
    post: (token, path, body, more = {}) =>
      request(`${guest.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        reset: true,
        ...(more.signal ? { signal: more.signal } : {}),
      }),
    limit: (node, budget) =>
      scene.gateway.client.putBudgets([{ node, per: 'total', tokens: null, usd: null, calls: null, ...budget }]),
    level: async (node) => {
      const [level] = await scene.gateway.client.levels([node]);
      if (level === undefined) throw new Error(node);
      return level;
    },
    settled: async (task) =>
      (await scene.gateway.client.settlements(0, 10_000)).settlements.filter((it) => it.task === task),
    restart: async (env) => {
      scene.gateway = await start(env);
      await connected();
    },
    close: async () => {
      const { child } = scene.gateway;
      if (child.exitCode === null && child.signalCode === null) await scene.gateway.end('SIGKILL');
      await guest.close();
      await provider.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await scene.gateway.client.putTunnel('vm1', guest.tunnel);
  await connected();
  return scene;
}
