import type { Ledger } from '../../src/gateway/ledger/ledger.ts';

/** Where a gateway can die between a call's reservation and its settlement. */
export const crashPoints = [
  'before it is reserved',
  'after it is reserved',
  'before it leaves',
  'before it is settled',
  'after it is settled',
] as const;

/** Kills this process, as `kill -9` would, where a call comes to the point. */
export function withCrashPoint(ledger: Ledger, isAt: (point: string) => boolean): Ledger {
  const pass = (point: (typeof crashPoints)[number]) => {
    if (isAt(point)) process.kill(process.pid, 'SIGKILL');
  };
  return {
    ...ledger,
    reserve: (call) => {
      pass('before it is reserved');
      const reserved = ledger.reserve(call);
      if (reserved.kind !== 'go') return reserved;
      pass('after it is reserved');
      return { ...reserved, stored: reserved.stored.then(() => pass('before it leaves')) };
    },
    settle: (...args) => {
      pass('before it is settled');
      const settlement = ledger.settle(...args);
      pass('after it is settled');
      return settlement;
    },
  };
}
