import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Grant } from '../../src/contract/gateway.ts';
import { createGatewayClient, type GatewayClient } from '../../src/gateway/client.ts';
import { type Paths, resolvePaths } from '../../src/lib/paths.ts';

export interface GatewayProcess {
  child: ChildProcess;
  client: GatewayClient;
  output(): string;
  /** Resolves with exit code or signal. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string | null>;
}

export function stateEnvironment(folder: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    XDG_RUNTIME_DIR: join(folder, 'run'),
  };
}

export function statePaths(folder: string): Paths {
  return resolvePaths(stateEnvironment(folder));
}

/** The real process, ready. */
export async function startGatewayProcess(
  folder: string,
  options: { upstream: string; guestSocket: string; env?: Record<string, string>; takeOver?: boolean },
): Promise<GatewayProcess> {
  const argv = ['src/daemon/gateway-main.ts', '--upstream', options.upstream, '--guest-socket', options.guestSocket];
  if (options.takeOver) argv.push('--take-over');
  const child = spawn(process.execPath, argv, {
    env: { ...stateEnvironment(folder), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const exited = new Promise<number | string | null>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code));
  });
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('gateway is ready')) resolve();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    void exited.then((how) => reject(new Error(`gateway ended with ${how}: ${output}`)));
  });
  const client = createGatewayClient(statePaths(folder).gatewaySocket);
  return {
    child,
    client,
    output: () => output,
    end: async (signal) => {
      child.kill(signal);
      const how = await exited;
      await client.close();
      return how;
    },
  };
}

export function grantFor(token: string, more: Partial<Grant> = {}): Grant {
  return {
    tokenHash: createHash('sha256').update(token).digest('hex'),
    vm: 'vm1',
    project: 'p1',
    task: 'T1',
    ralph: 'r1',
    iteration: 'i1',
    role: 'implementer',
    expiresAt: Date.now() + 3_600_000,
    marks: null,
    trace: null,
    ...more,
  };
}

/** Waits for a condition, asking again; a test that never sees it fails with its name. */
export async function until<T>(what: string, ask: () => T | Promise<T>, deadlineMs = 60_000): Promise<NonNullable<T>> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer as NonNullable<T>;
    if (Date.now() > end) throw new Error(`not seen within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
