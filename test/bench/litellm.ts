import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { resolvePaths } from '../../src/lib/paths.ts';

/**
 * LiteLLM's proxy in front of the same model API, as it is started by hand: one worker, no database. On are the budgets that work so
 * (seen to refuse): one for the model, one for the provider, both in memory and after the fact; logging of calls is off.
 * Not part of `scripts/setup`:
 *
 *   python3 -m venv ~/.cache/ralph-fleet/tools/litellm && ~/.cache/ralph-fleet/tools/litellm/bin/pip install 'litellm[proxy]'
 */
export interface LiteLlm {
  url: string;
  key: string;
  stop(): Promise<void>;
}

const startMs = 180_000;

/** Null when it is not installed. `RALPH_FLEET_LITELLM` names the program where it stands elsewhere. */
export function findLiteLlm(): string | null {
  const path = process.env['RALPH_FLEET_LITELLM'] ?? join(resolvePaths().tools, 'litellm/bin/litellm');
  return existsSync(path) ? path : null;
}

export async function startLiteLlm(program: string, folder: string, upstream: string): Promise<LiteLlm> {
  const budget = { max_budget: 100_000, budget_duration: '30d' };
  const params = { model: 'anthropic/claude-sonnet-5', api_base: upstream, api_key: 'not-a-key', ...budget };
  const price = { input_cost_per_token: 0.000003, output_cost_per_token: 0.000015 };
  const config = {
    model_list: [{ model_name: 'claude-sonnet-5', litellm_params: { ...params, ...price } }],
    router_settings: { provider_budget_config: { anthropic: { budget_limit: 100_000, time_period: '30d' } } },
  };
  writeFileSync(join(folder, 'litellm.yaml'), JSON.stringify(config));
  const key = `sk-${randomBytes(16).toString('hex')}`;
  const port = await freePort();
  const argv = ['--config', join(folder, 'litellm.yaml'), '--host', '127.0.0.1', '--port', String(port)];
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, LITELLM_MASTER_KEY: key };
  const quiet = { LITELLM_LOCAL_MODEL_COST_MAP: 'True', LITELLM_LOG: 'ERROR' };
  const child = spawn(program, argv, { cwd: folder, env: { ...env, ...quiet }, stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  for (const end = Date.now() + startMs; ; await sleep(500)) {
    const status = await request(`${url}/health/liveliness`).then(
      async (it) => it.body.dump().then(() => it.statusCode),
      () => 0,
    );
    if (status === 200) break;
    if (child.exitCode !== null || Date.now() > end) {
      child.kill('SIGKILL');
      throw new Error(`\`${program}\` did not start`);
    }
  }
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  return { url, key, stop };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
