import type { Clock } from '../../src/lib/clock.ts';

/** Time that moves only when told to: to the next timer, with all that follows from it done before the one after. */
export interface VirtualClock extends Clock {
  /** Fires the next timer and lets everything it wakes settle; null when nothing waits. */
  step(): Promise<void> | null;
  settle(): Promise<void>;
}

interface Timer {
  at: number;
  seq: number;
  fire: () => void;
}

export function createVirtualClock(start = 1_800_000_000_000): VirtualClock {
  let now = start;
  let seq = 0;
  const timers: Timer[] = [];

  function drop(timer: Timer): void {
    const at = timers.indexOf(timer);
    if (at !== -1) timers.splice(at, 1);
  }

  function add(at: number, fire: () => void): Timer {
    const timer = { at, seq: seq++, fire };
    let low = 0;
    let high = timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = timers[middle];
      if (other !== undefined && (other.at > at || (other.at === at && other.seq > timer.seq))) low = middle + 1;
      else high = middle;
    }
    timers.splice(low, 0, timer);
    return timer;
  }

  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(calledOff);
          return;
        }
        const timer = add(now + Math.max(0, ms), resolve);
        signal?.addEventListener('abort', () => {
          drop(timer);
          reject(calledOff);
        });
      }),
    after(ms, call) {
      const timer = add(now + Math.max(0, ms), call);
      return () => drop(timer);
    },
    step() {
      const next = timers.pop();
      if (next === undefined) return null;
      now = Math.max(now, next.at);
      next.fire();
      return settle();
    },
    settle,
  };
}

/** One for all: making them is costly. */
const calledOff = new DOMException('called off', 'AbortError');

/** Lets every promise that can go on go on: the next tick comes after all microtasks, and nothing here waits for I/O. */
function settle(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
