import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import type { FleetEvent } from '../../domain/fleet.ts';
import { createSilentLog } from '../../lib/log.ts';
import { createFollower } from './follow-tasks.ts';
import type { Batch, Sent } from './otlp-sender.ts';
import { type Span, timeOf } from './span.ts';

const start = 1_800_000_000_000;

/** A fleet of events and spans; daemons over it come and go. */
function setup() {
  const clock = createVirtualClock(start);
  const events: FleetEvent[] = [];
  const spans = new Map<string, Span[]>();
  const listeners = new Set<() => void>();
  const state = { cursor: null as number | null, answer: 'taken' as Sent, isOn: true, arrived: [] as string[] };

  function span(task: string, spanId: string, endMs: number): void {
    const made: Span = {
      ...{ traceId: 'a'.repeat(32), spanId, parentSpanId: 'b'.repeat(16), name: 'x', kind: 'internal', attributes: {} },
      ...{ start: timeOf(endMs - 1), end: timeOf(endMs), isError: false, from: 'ralph-fleet' },
    };
    spans.set(task, [...(spans.get(task) ?? []), made]);
  }
  function happens(subject: string): void {
    events.push({ seq: events.length + 1, at: clock.now(), kind: 'x', subject, text: '' });
    for (const listener of listeners) listener();
  }
  /** So much time goes by, with all that comes of it. */
  async function pass(ms: number): Promise<void> {
    const until = clock.now() + ms;
    clock.after(ms, () => {});
    await clock.settle();
    while (clock.now() < until) await clock.step();
    for (let n = 0; n < 20; n++) await clock.settle();
  }
  const daemon = () =>
    createFollower({
      events: {
        after: (seq, limit) => events.filter((it) => it.seq > seq).slice(0, limit),
        last: () => events.length,
        onChange: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
      cursor: { get: () => state.cursor, set: (seq) => (state.cursor = seq) },
      spansOf: (task) => spans.get(task) ?? null,
      sender: () =>
        state.isOn
          ? {
              send: async (batch: Batch) => {
                if (state.answer === 'taken' && 'spans' in batch)
                  state.arrived.push(...batch.spans.map(({ spanId }) => spanId));
                return state.answer;
              },
              close: async () => {},
            }
          : null,
      clock,
      log: createSilentLog(),
    });
  return { clock, state, span, spans, happens, pass, daemon, listeners };
}

describe('following tasks', () => {
  it('sends what ended, once, and nothing of before it was wanted', async () => {
    const { state, span, happens, pass, daemon } = setup();
    span('T0', 'old', start - 3_600_000);
    happens('T0');
    const follower = daemon();
    follower.start();
    await pass(2_000);
    span('T1', 'one', start + 2_000);
    happens('T1');
    happens('rf-vm');
    await pass(2_000);
    span('T1', 'two', start + 4_000);
    happens('T1');
    happens('T0');
    await pass(2_000);
    expect(state.arrived).toEqual(['one', 'two']);
    expect(follower.counts()).toMatchObject({ exported: 2, dropped: { refused: 0 } });
    expect(state.cursor).toBe(5);
    await follower.stop();
  });

  it('waits for a receiver that is away, holds nothing meanwhile, and then sends all of it', async () => {
    const { state, span, happens, pass, daemon } = setup();
    const follower = daemon();
    follower.start();
    await pass(1_000);
    state.answer = 'later';
    for (let n = 0; n < 600; n++) {
      span(`T${n}`, `s${n}`, start + 1_000);
      happens(`T${n}`);
    }
    await pass(3_600_000);
    expect(state).toMatchObject({ arrived: [], cursor: 0 });
    state.answer = 'taken';
    await pass(120_000);
    expect(state.arrived).toEqual(Array.from({ length: 600 }, (_, n) => `s${n}`));
    expect(state.cursor).toBe(600);
    await follower.stop();
  });

  it('goes on from its cursor after a crash: what was not told is sent, what was sent just before may come again', async () => {
    const { state, span, happens, pass, daemon, clock } = setup();
    const first = daemon();
    first.start();
    await pass(1_000);
    span('T1', 'early', clock.now());
    happens('T1');
    await pass(3_600_000);
    span('T1', 'late', clock.now());
    state.answer = 'later';
    happens('T1');
    await pass(5_000);
    await Promise.all([first.stop(), pass(5_000)]);
    state.answer = 'taken';
    const second = daemon();
    second.start();
    await pass(5_000);
    // The cursor stood at the event of `early`.
    expect(state.arrived).toEqual(['early', 'early', 'late']);
    await pass(3_600_000);
    happens('T1');
    await pass(5_000);
    expect(state.arrived).toEqual(['early', 'early', 'late']);
    await second.stop();
    const third = daemon();
    third.start();
    happens('T1');
    await pass(5_000);
    expect(state.arrived).toEqual(['early', 'early', 'late']);
    await third.stop();
  });

  it('is not held up by one task whose spans cannot be made', async () => {
    const { state, span, spans, happens, pass, daemon } = setup();
    const follower = daemon();
    follower.start();
    await pass(1_000);
    Object.defineProperty(spans, 'get', {
      value: (task: string) => {
        if (task === 'T1') throw new Error('strange row');
        return Map.prototype.get.call(spans, task);
      },
    });
    span('T2', 'two', start + 1_000);
    happens('T1');
    happens('T2');
    await pass(5_000);
    expect(state).toMatchObject({ arrived: ['two'], cursor: 2 });
    await follower.stop();
  });

  it('counts what is refused, and goes on', async () => {
    const { state, span, happens, pass, daemon } = setup();
    const follower = daemon();
    follower.start();
    await pass(1_000);
    state.answer = 'refused';
    span('T1', 'one', start + 1_000);
    happens('T1');
    await pass(2_000);
    expect(follower.counts()).toMatchObject({ exported: 0, dropped: { refused: 1 } });
    expect(state.cursor).toBe(1);
    await follower.stop();
  });

  it('off, it looks at nothing; on again, it begins anew', async () => {
    const { state, span, happens, pass, daemon, clock } = setup();
    const follower = daemon();
    follower.start();
    await pass(1_000);
    state.isOn = false;
    follower.nudge();
    await pass(1_000);
    expect(state.cursor).toBeNull();
    span('T1', 'secret', clock.now());
    happens('T1');
    await pass(3_600_000);
    state.isOn = true;
    follower.nudge();
    await pass(1_000);
    span('T1', 'open', clock.now());
    happens('T1');
    await pass(5_000);
    expect(state.arrived).toEqual(['open']);
    await follower.stop();
  });
});
