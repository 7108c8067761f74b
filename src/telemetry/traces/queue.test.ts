import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { createSilentLog } from '../../lib/log.ts';
import type { Batch, Sent } from './otlp-sender.ts';
import { createQueue } from './queue.ts';
import { type Span, timeOf } from './span.ts';

const span = (spanId: string): Span => ({
  ...{ traceId: 'a'.repeat(32), spanId, parentSpanId: null, name: 'x', kind: 'internal', attributes: {} },
  ...{ start: timeOf(0), end: timeOf(1), isError: false, from: 'ralph-fleet' },
});

function setup(room: number) {
  const clock = createVirtualClock();
  const state = { answer: 'taken' as Sent, batches: [] as string[][] };
  const send = async (batch: Batch): Promise<Sent> => {
    if (state.answer === 'taken' && 'spans' in batch) state.batches.push(batch.spans.map(({ spanId }) => spanId));
    return state.answer;
  };
  const queue = createQueue({ sender: { send, close: async () => {} }, clock, log: createSilentLog(), room });
  async function pass(ms: number): Promise<void> {
    const until = clock.now() + ms;
    clock.after(ms, () => {});
    while (clock.now() < until) {
      await clock.step();
      for (let n = 0; n < 10; n++) await clock.settle();
    }
  }
  return { queue, state, pass };
}

describe('what waits for the receiver', () => {
  it('goes in batches, in its order', async () => {
    const { queue, state, pass } = setup(1000);
    for (let n = 0; n < 600; n++) queue.span(span(`s${n}`));
    await pass(1_000);
    expect(state.batches.map((batch) => batch.length)).toEqual([256, 256, 88]);
    expect(state.batches.flat()).toEqual(Array.from({ length: 600 }, (_, n) => `s${n}`));
    expect(queue.counts()).toEqual({ exported: 600, dropped: { full: 0, refused: 0, ended: 0 } });
  });

  it('is bounded: the oldest is lost, and counted, however often sending is tried', async () => {
    const { queue, state, pass } = setup(10);
    state.answer = 'later';
    for (let n = 0; n < 15; n++) queue.span(span(`s${n}`));
    await pass(10_000);
    for (let n = 15; n < 20; n++) queue.span(span(`s${n}`));
    await pass(600_000);
    expect(queue.counts()).toEqual({ exported: 0, dropped: { full: 10, refused: 0, ended: 0 } });
    state.answer = 'taken';
    await pass(120_000);
    expect(state.batches.flat()).toEqual(Array.from({ length: 10 }, (_, n) => `s${n + 10}`));
    expect(queue.counts().exported).toBe(10);
  });

  it('that is refused is counted, and what comes after it is sent', async () => {
    const { queue, state, pass } = setup(10);
    state.answer = 'refused';
    queue.span(span('a'));
    await pass(1_000);
    state.answer = 'taken';
    queue.span(span('b'));
    await pass(1_000);
    expect(state.batches).toEqual([['b']]);
    expect(queue.counts()).toEqual({ exported: 1, dropped: { full: 0, refused: 1, ended: 0 } });
  });

  it('is tried once more at the end, and counted when that is in vain', async () => {
    const { queue, state, pass } = setup(10);
    queue.span(span('a'));
    await Promise.all([queue.close(1_000), pass(2_000)]);
    expect(state.batches).toEqual([['a']]);
    const other = setup(10);
    other.state.answer = 'later';
    other.queue.span(span('b'));
    await Promise.all([other.queue.close(1_000), other.pass(2_000)]);
    expect(other.queue.counts()).toEqual({ exported: 0, dropped: { full: 0, refused: 0, ended: 1 } });
  });
});
