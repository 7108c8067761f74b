import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import type { Entry } from './entry.ts';
import type { Answer, Loki } from './loki.ts';
import { settle } from './settle.ts';

const entriesOf = (count: number): Entry[] =>
  Array.from({ length: count }, (_, n) => ({ ns: String(n), line: `line ${n}`, meta: '{}', stream: '{}', value: '' }));
const failed = { kind: 'failed', why: 'error', text: '', retryAfterMs: null } as const;

/** What Loki does with one push: how many of the first lines it keeps, and whether the answer arrives. */
const faults = fc.record({ keeps: fc.nat(40), answers: fc.boolean() });

it('whatever becomes of pushes and questions, each good line arrives once, each bad one is told once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(30),
      fc.array(faults, { maxLength: 8 }),
      fc.array(fc.boolean(), { maxLength: 8 }),
      fc.uniqueArray(fc.nat(30)),
      fc.boolean(),
      async (count, pushFaults, silences, bad, wasThere) => {
        const clock = createVirtualClock();
        const entries = entriesOf(count);
        const kept: Entry[] = wasThere ? entries.filter((_, at) => at % 2 === 0 && !bad.includes(at)) : [];
        const isBad = ({ ns }: Entry) => bad.includes(Number(ns));
        const loki: Loki = {
          push: async (lines): Promise<Answer> => {
            const good = lines.filter((line) => !isBad(line));
            const fault = pushFaults.shift();
            kept.push(...good.slice(0, fault?.keeps ?? good.length));
            if (fault !== undefined) return { ...failed, isUnsure: true };
            return good.length < lines.length ? { kind: 'rejected', text: 'bad line' } : { kind: 'taken' };
          },
          missing: async (lines) => {
            if (silences.shift() === true) throw new Error('silent');
            return lines.filter(({ ns }) => !kept.some((one) => one.ns === ns));
          },
        };
        const dropped: Entry[] = [];
        const deps = {
          ...{ loki, clock, onFailure: () => {}, onSuccess: () => {} },
          onDrop: (lines: readonly Entry[]) => void dropped.push(...lines),
        };
        let isDone = false;
        const done = settle(entries, wasThere, deps, new AbortController().signal).then(() => {
          isDone = true;
        });
        for (await clock.settle(); !isDone; await clock.settle()) await clock.step();
        await done;
        const order = (a: Entry, b: Entry) => Number(a.ns) - Number(b.ns);
        expect(kept.toSorted(order)).toEqual(entries.filter((line) => !isBad(line)));
        expect(dropped.toSorted(order)).toEqual(entries.filter(isBad));
      },
    ),
  );
});
