import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Grant, Level, Settlement } from '../../src/contract/gateway.ts';
import { gatewayNodeFlags } from '../../src/daemon/gateway-process.ts';
import { grantFor } from './gateway-process.ts';

/** `gateway-server.ts` as a child: proxy, meter and books in a process of their own. */
export interface GatewayChild {
  child: ChildProcess;
  url: string;
  grant(token: string, more?: Partial<Grant>): Promise<void>;
  level(node: string): Promise<Level>;
  settlements(): Promise<Settlement[]>;
  /** From now on it crashes where it was started to. */
  crash(): Promise<void>;
  /** Resolves with how it ended. */
  ended: Promise<string | number | null>;
  kill(): Promise<void>;
}

export async function startGatewayChild(folder: string, upstream: string, crashPoint?: string): Promise<GatewayChild> {
  const argv = ['test/support/gateway-server.ts', folder, upstream, ...(crashPoint === undefined ? [] : [crashPoint])];
  const child = spawn(process.execPath, [...gatewayNodeFlags, ...argv], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code, signal]) => signal ?? code);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const hear = async () => String((await lines.next()).value);
  const tell = async (line: string) => {
    child.stdin.write(`${line}\n`);
    return JSON.parse(await hear());
  };
  return {
    child,
    url: await hear(),
    grant: async (token, more) => {
      const grant = grantFor(token, more);
      await tell(`grant ${JSON.stringify({ id: `g-${grant.task}`, ...grant })}`);
    },
    level: (node) => tell(`levels ${node}`),
    settlements: () => tell('settlements 0'),
    crash: () => tell('crash now'),
    ended,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
