import { rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { z } from 'zod';
import type { Mirror } from '../../contract/gateway.ts';
import {
  type countedSchema,
  type endSchema,
  type FromLeaving,
  handOverVersion,
  type ToLeaving,
  toLeaving,
} from '../../contract/hand-over.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { type Link, openLink } from './link.ts';

/**
 * The gateway that leaves: its calls go on, and are settled in the books of the next one. While there is no next one they stay
 * reserved at their worst case; what was said and not answered is said again to whoever comes.
 */
export interface Leaving {
  /** From now on the next gateway is told. */
  begin(left: Left): void;
  /** Resolves once the books have it, or after a while without: it then still is on its way. */
  settle(id: number, end: z.infer<typeof endSchema>, counted: z.infer<typeof countedSchema>): Promise<null>;
  released(vm: string): void;
  /** Resolves when all is settled; at the deadline what is left counts at its worst. */
  settled(deadlineMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Reservations that it will settle, VMs that it has a tunnel into, and what setup VMs may read. */
export interface Left {
  calls: readonly number[];
  vms: readonly string[];
  mirrors: readonly { vm: string; mirror: Mirror }[];
}

export interface LeavingDeps {
  /** Of the sockets of all gateways. */
  folder: string;
  clock: Clock;
  log: Log;
  endCalls: (grant: string) => void;
  drop: (vm: string) => void;
}

/** An answer's last bytes wait no longer than this for its settlement. */
const patienceMs = 5_000;

export function leavingSocket(folder: string, pid: number): string {
  return join(folder, `gateway-${pid}.sock`);
}

export async function openLeaving(deps: LeavingDeps): Promise<Leaving> {
  const { clock, log } = deps;
  const calls = new Set<number>();
  const vms = new Set<string>();
  let mirrors: Left['mirrors'] | null = null;
  const waiting = new Map<number, { message: FromLeaving; answered: () => void }>();
  let link: Link<FromLeaving> | null = null;
  let onSettled: (() => void) | null = null;

  function take(message: ToLeaving): void {
    if (message.kind === 'end_calls') deps.endCalls(message.grant);
    else if (message.kind === 'drop') deps.drop(message.vm);
    else settled(message.id);
  }

  function settled(id: number): void {
    calls.delete(id);
    waiting.get(id)?.answered();
    waiting.delete(id);
    if (calls.size === 0) onSettled?.();
  }

  const server = createServer((socket) => {
    if (mirrors === null) return void socket.destroy();
    link?.close();
    link = openLink<ToLeaving, FromLeaving>(socket, toLeaving, take);
    const { pid } = process;
    link.send({
      kind: 'hello',
      version: handOverVersion,
      pid,
      calls: [...calls],
      vms: [...vms],
      mirrors: [...mirrors],
    });
    for (const { message } of waiting.values()) link.send(message);
    log.info({ calls: calls.size, vms: vms.size }, 'the next gateway has called');
  });
  const path = leavingSocket(deps.folder, process.pid);
  await listen(server, path);

  return {
    begin: (left) => {
      for (const id of left.calls) calls.add(id);
      for (const vm of left.vms) vms.add(vm);
      mirrors = left.mirrors;
    },
    settle: async (id, end, counted) => {
      const message: FromLeaving = { kind: 'settle', id, end, counted };
      const over = new AbortController();
      const isAnswered = new Promise<void>((resolve) => waiting.set(id, { message, answered: resolve }));
      link?.send(message);
      await Promise.race([isAnswered, clock.sleep(patienceMs, over.signal).catch(() => {})]);
      over.abort();
      return null;
    },
    released: (vm) => {
      vms.delete(vm);
      link?.send({ kind: 'released', vm });
    },
    settled: async (deadlineMs) => {
      const over = new AbortController();
      const all = new Promise<void>((resolve) => {
        onSettled = resolve;
        if (calls.size === 0) resolve();
      });
      await Promise.race([all, clock.sleep(deadlineMs, over.signal).catch(() => {})]);
      over.abort();
      if (calls.size > 0)
        log.warn({ calls: calls.size }, 'no gateway took these settlements: they count at their worst');
    },
    close: async () => {
      link?.close();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function listen(server: Server, path: string): Promise<void> {
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}
