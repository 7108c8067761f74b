import { readdir, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import type { Health, Mirror } from '../../contract/gateway.ts';
import { type FromLeaving, fromLeaving, type ToLeaving } from '../../contract/hand-over.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { type Link, openLink } from './link.ts';
import type { AtStep } from './steps.ts';

/**
 * Gateways that left and still carry something. This one writes the books for them; what one of them cannot say any more, since it
 * was killed, is settled at its worst.
 */
export interface Predecessors {
  /** Reservations that are theirs to end. */
  calls(): number[];
  mirrors(): { vm: string; mirror: Mirror }[];
  /** VMs whose tunnel one of them has. */
  vms(): string[];
  /** With the books open; from here on they are listened to. */
  begin(ledger: Pick<Ledger, 'settle' | 'giveUp'>, onSettled: () => void): void;
  /** Null when none has a tunnel into this VM; else resolves when it has none any more. The signal tells it to give it up. */
  untilReleased(vm: string, signal: AbortSignal): Promise<void> | null;
  endCalls(grant: string): void;
  list(): Health['leaving'];
  /** Ends the connections to them: they wait for the next. */
  close(): void;
}

interface Predecessor {
  pid: number;
  link: Link<ToLeaving>;
  calls: Set<number>;
  vms: Map<string, (() => void)[]>;
  mirrors: { vm: string; mirror: Mirror }[];
  /** What it said before the books were open. */
  early: FromLeaving[];
}

const helloMs = 5_000;

export async function findPredecessors(deps: {
  folder: string;
  clock: Clock;
  log: Log;
  atStep: AtStep;
}): Promise<Predecessors> {
  const { folder, clock, log, atStep } = deps;
  const names = (await readdir(folder)).filter((name) => /^gateway-\d+\.sock$/.test(name));
  let hear: ((from: Predecessor, message: FromLeaving) => void) | null = null;
  let isClosed = false;
  const found = await Promise.all(
    names.map((name) =>
      call(join(folder, name), clock, (from, message) => {
        if (hear === null) from.early.push(message);
        else hear(from, message);
      }),
    ),
  );
  const known = new Set(found.filter((it) => it !== null));
  if (known.size > 0) log.info({ pids: [...known].map((it) => it.pid) }, 'gateways that left still carry calls');

  function release(from: Predecessor, vm: string): void {
    const waiting = from.vms.get(vm) ?? [];
    from.vms.delete(vm);
    for (const tell of waiting) tell();
  }

  function forget(from: Predecessor, ledger: Pick<Ledger, 'giveUp'>): void {
    known.delete(from);
    if (isClosed) return;
    try {
      const calls = ledger.giveUp([...from.calls]);
      if (calls > 0)
        log.warn({ pid: from.pid, calls }, 'a gateway that left was killed: its calls count at their worst');
      else log.info({ pid: from.pid }, 'a gateway that left has ended');
    } catch (error) {
      // They stay reserved, and are settled by the next start.
      log.error({ pid: from.pid, err: String(error) }, 'what a gateway left open cannot be settled');
    }
    for (const vm of [...from.vms.keys()]) release(from, vm);
  }

  function settleFor(
    from: Predecessor,
    ledger: Pick<Ledger, 'settle'>,
    { id, end, counted }: Extract<FromLeaving, { kind: 'settle' }>,
  ): void {
    try {
      const settlement = ledger.settle(id, end, counted);
      from.calls.delete(id);
      atStep('next:settled');
      from.link.send({ kind: 'settled', id });
      if (settlement !== null) log.info({ ...settlement, from: from.pid }, 'call settled');
    } catch (error) {
      log.error({ id, err: String(error) }, 'a call of a gateway that left cannot be settled');
    }
  }

  return {
    calls: () => [...known].flatMap((it) => [...it.calls]),
    mirrors: () => [...known].flatMap((it) => it.mirrors),
    vms: () => [...known].flatMap((it) => [...it.vms.keys()]),
    begin: (ledger, onSettled) => {
      hear = (from, message) => {
        if (message.kind === 'released') return release(from, message.vm);
        if (message.kind !== 'settle') return;
        settleFor(from, ledger, message);
        onSettled();
      };
      for (const from of known) {
        for (const message of from.early.splice(0)) hear(from, message);
        void from.link.closed.then(() => {
          forget(from, ledger);
          onSettled();
        });
      }
    },
    untilReleased: (vm, signal) => {
      const from = [...known].find((it) => it.vms.has(vm));
      if (from === undefined) return null;
      return new Promise<void>((resolve) => {
        from.vms.get(vm)?.push(resolve);
        const giveUp = () => {
          if (!isClosed) from.link.send({ kind: 'drop', vm });
          resolve();
        };
        signal.addEventListener('abort', giveUp, { once: true });
      });
    },
    endCalls: (grant) => {
      for (const { link } of known) link.send({ kind: 'end_calls', grant });
    },
    list: () => [...known].map(({ pid, calls, vms }) => ({ pid, openCalls: calls.size, vms: vms.size })),
    close: () => {
      isClosed = true;
      for (const { link } of known) link.close();
    },
  };
}

/** Null when nobody is there; what a killed one left of its socket is removed. */
async function call(
  path: string,
  clock: Clock,
  onMessage: (from: Predecessor, message: FromLeaving) => void,
): Promise<Predecessor | null> {
  const socket = createConnection({ path });
  const isThere = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
  if (!isThere) {
    await rm(path, { force: true });
    return null;
  }
  let from: Predecessor | null = null;
  const over = new AbortController();
  const greeted = new Promise<Predecessor>((resolve) => {
    openLink<FromLeaving, ToLeaving>(socket, fromLeaving, (message, link) => {
      if (from !== null) return onMessage(from, message);
      if (message.kind !== 'hello') return;
      const { pid, calls, vms, mirrors } = message;
      from = { pid, link, calls: new Set(calls), vms: new Map(vms.map((vm) => [vm, []])), mirrors, early: [] };
      resolve(from);
    });
  });
  const late = clock.sleep(helloMs, over.signal).then(
    () => null,
    () => null,
  );
  const gone = new Promise<null>((resolve) => socket.once('close', () => resolve(null)));
  const first = await Promise.race([greeted, late, gone]);
  over.abort();
  if (first === null) socket.destroy();
  return first;
}
