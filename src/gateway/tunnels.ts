import type { Duplex } from 'node:stream';
import type { Tunnel, TunnelState } from '../contract/gateway.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { isAbort } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { connectTunnel, type TunnelConnection } from './tunnel-connection.ts';

/** Keeps one reverse tunnel into each wanted VM: connects, and connects again for ever, until told otherwise. */
export interface Tunnels {
  /** Idempotent; a changed endpoint or key makes a new connection. */
  put(vm: string, tunnel: Tunnel): void;
  delete(vm: string): void;
  states(): TunnelState[];
  /** Takes no new connections out of the guests; what is open goes on. */
  stopAccepting(): void;
  /** Closes each tunnel once nothing passes through it, and says so; resolves when none is left. */
  release(onReleased: (vm: string) => void): Promise<void>;
  close(): Promise<void>;
}

export interface TunnelDeps {
  clock: Clock;
  log: Log;
  /** Unix socket in the guest that leads here. */
  guestSocket: string;
  accept: (vm: string, stream: Duplex) => void;
  /** While another gateway has the tunnel into this VM: resolves when it has no more. The signal tells it to give it up. */
  untilReleased: (vm: string, signal: AbortSignal) => Promise<void> | null;
}

interface Kept {
  tunnel: Tunnel;
  state: TunnelState;
  abort: AbortController;
  done: Promise<void>;
  connection: TunnelConnection | null;
  streams: number;
  onIdle: (() => void) | null;
}

const firstRetryMs = 500;
const longestRetryMs = 15_000;
/** A connection that lasted this long was a good one; shorter ones count as failures, so that flapping slows down. */
const steadyMs = 30_000;

export function createTunnels(deps: TunnelDeps): Tunnels {
  const { clock, log } = deps;
  const kept = new Map<string, Kept>();
  let isAccepting = true;
  let isLeaving = false;

  async function keep(vm: string, it: Kept): Promise<void> {
    const { signal } = it.abort;
    const elsewhere = deps.untilReleased(vm, signal);
    if (elsewhere !== null) {
      it.state = { vm, state: 'connected', since: clock.now(), error: null };
      await elsewhere;
      it.state = { vm, state: 'connecting', since: clock.now(), error: null };
    }
    for (let failures = 0; !signal.aborted && !isLeaving; ) {
      try {
        failures = (await serve(vm, it)) ? 0 : failures + 1;
      } catch (error) {
        if (isAbort(error) && signal.aborted) return;
        failures += 1;
        noteFailure(vm, it, error instanceof Error ? error.message : String(error));
      }
      if (isLeaving) return;
      await clock.sleep(backoffMs(Math.max(failures, 1), firstRetryMs, longestRetryMs), signal).catch(() => {});
    }
  }

  /** One connection from its beginning to its end; true when it was a good one. */
  async function serve(vm: string, it: Kept): Promise<boolean> {
    const accept = (stream: Duplex) => {
      it.streams += 1;
      stream.once('close', () => {
        it.streams -= 1;
        if (it.streams === 0) it.onIdle?.();
      });
      deps.accept(vm, stream);
    };
    const connection = await connectTunnel({ ...deps, accept }, it.tunnel, it.abort.signal);
    const since = clock.now();
    it.connection = connection;
    if (!isAccepting) void connection.stopAccepting();
    it.state = { vm, state: 'connected', since, error: null };
    log.info({ vm }, 'tunnel connected');
    const why = await connection.ended;
    it.connection = null;
    it.state = { vm, state: 'connecting', since: clock.now(), error: why };
    log.info({ vm, err: why }, 'tunnel ended');
    return clock.now() - since > steadyMs;
  }

  function noteFailure(vm: string, it: Kept, error: string): void {
    const isNew = it.state.state !== 'failed';
    it.state = { vm, state: 'failed', since: isNew ? clock.now() : it.state.since, error };
    if (isNew) log.warn({ vm, err: error }, 'tunnel failed');
  }

  function remove(vm: string): Promise<void> {
    const it = kept.get(vm);
    kept.delete(vm);
    it?.abort.abort();
    return it?.done ?? Promise.resolve();
  }

  return {
    put: (vm, tunnel) => {
      if (JSON.stringify(kept.get(vm)?.tunnel) === JSON.stringify(tunnel)) return;
      void remove(vm);
      const state: TunnelState = { vm, state: 'connecting', since: clock.now(), error: null };
      const it: Kept = {
        tunnel,
        state,
        abort: new AbortController(),
        done: Promise.resolve(),
        connection: null,
        streams: 0,
        onIdle: null,
      };
      kept.set(vm, it);
      it.done = keep(vm, it);
    },
    delete: (vm) => void remove(vm),
    states: () => [...kept.values()].map((it) => it.state),
    stopAccepting: () => {
      isAccepting = false;
      for (const it of kept.values()) void it.connection?.stopAccepting();
    },
    release: async (onReleased) => {
      isLeaving = true;
      const all = [...kept].map(async ([vm, it]) => {
        await Promise.race([emptied(it), it.done]);
        await remove(vm);
        onReleased(vm);
      });
      await Promise.all(all);
    },
    close: async () => {
      await Promise.all([...kept.keys()].map(remove));
    },
  };
}

/** The guest's relay holds what comes after the tunnel is shut. */
async function emptied(it: Kept): Promise<void> {
  while (it.connection !== null) {
    if (it.streams > 0) {
      await new Promise<void>((resolve) => {
        it.onIdle = resolve;
      });
    }
    await it.connection?.stopAccepting();
    if (it.streams === 0) return;
  }
}
