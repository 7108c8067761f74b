import { createConnection } from 'node:net';
import { z } from 'zod';
import type { GuestEndpoint } from '../domain/endpoint.ts';
import { cleanText } from '../lib/clean-text.ts';
import { FleetError } from '../lib/errors.ts';
import type { ForkIdentity, ForkReport } from './guest.ts';

/**
 * What the host says to `ralph-fork` in a template and its forks: one line there, one line back, over the `spare` channel, before
 * any ssh. Whoever answers there holds the port as root; nobody but us can reach its other end.
 */
export interface ForkChannel {
  /** Resolves once nobody is logged in any more. */
  settled(): Promise<void>;
  identify(identity: ForkIdentity): Promise<ForkReport>;
}

const settledAnswer = z.object({ settled: z.literal(true) });
const failedAnswer = z.object({ machineId: z.string(), failed: z.string() });
const reportAnswer = z.object({
  machineId: z.string().regex(/^[0-9a-f]{32}$/),
  bootId: z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
  hostKey: z.string().regex(/^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}$/),
  hostname: z.string().min(1).max(253),
  random: z.string().regex(/^[0-9a-f]{64}$/),
  now: z.int().nonnegative(),
});

const maxBytes = 64 * 1024;

export function createForkChannel(vm: string, endpoint: GuestEndpoint, deadlineMs: number): ForkChannel {
  const ask = <T>(line: string, read: (answer: unknown) => T | null) =>
    askLine({ vm, endpoint, deadlineMs }, line, read);
  return {
    async settled() {
      await ask('settled', (answer) => settledAnswer.safeParse(answer).data ?? null);
    },
    async identify(identity) {
      const key = Buffer.from(identity.authorizedKey).toString('hex');
      const words = [identity.hostname, Math.round(identity.now), identity.machineId, identity.entropy, key];
      return ask(`identity ${words.join(' ')}`, (answer) => {
        // An answer to an earlier try of ours may come first.
        const failed = failedAnswer.safeParse(answer).data;
        if (failed?.machineId === identity.machineId) throw refused(vm, failed.failed);
        const report = reportAnswer.safeParse(answer).data;
        if (report?.machineId !== identity.machineId) return null;
        const { now, ...rest } = report;
        return { ...rest, clockOffsetMs: now - identity.now };
      });
    },
  };
}

interface Line {
  vm: string;
  endpoint: GuestEndpoint;
  deadlineMs: number;
}

/** Sends one line and reads lines until `read` takes one. A first, empty line ends what a cut connection left half said. */
async function askLine<T>(to: Line, line: string, read: (answer: unknown) => T | null): Promise<T> {
  const { vm, endpoint } = to;
  const socket =
    endpoint.kind === 'unix'
      ? createConnection({ path: endpoint.path })
      : createConnection({ host: endpoint.host, port: endpoint.port });
  const late = setTimeout(() => socket.destroy(new Error(`no answer within ${to.deadlineMs} ms`)), to.deadlineMs);
  try {
    socket.write(`\n${line}\n`);
    let held = '';
    let size = 0;
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
      const lines = (held + chunk.toString('latin1')).split('\n');
      held = lines.pop() ?? '';
      for (const one of lines) {
        const answer = read(parse(one));
        if (answer !== null) return answer;
      }
    }
    throw new Error('the connection ended');
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    throw new FleetError('guest_unreachable', `The guest of \`${vm}\` did not answer on its spare channel.`, { cause });
  } finally {
    clearTimeout(late);
    socket.destroy();
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

function refused(vm: string, why: string): FleetError {
  const said = cleanText(why).slice(0, 300);
  return new FleetError('guest_untrusted', `\`${vm}\` was forked, but could not take an identity of its own: ${said}`);
}
