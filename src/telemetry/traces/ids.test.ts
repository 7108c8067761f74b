import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hmacSha256 } from '../../lib/digest.ts';
import { iterationRef, readTraceparent, spanId, taskRef, traceparent } from './ids.ts';

const keyed = (key: string) => (text: string) => hmacSha256(Buffer.from(key), text);
const task = { id: 'T1', createdAt: 1_800_000_000_000 };

describe('ids of traces', () => {
  it('are the same whenever they are made, and those of a task made anew under its id are others', () => {
    expect(taskRef(keyed('k'), task)).toEqual(taskRef(keyed('k'), { ...task }));
    expect(taskRef(keyed('k'), task).traceId).not.toBe(taskRef(keyed('k'), { ...task, createdAt: 1 }).traceId);
    expect(iterationRef(keyed('k'), task, 'it-1').traceId).toBe(taskRef(keyed('k'), task).traceId);
  });

  it('cannot be worked out without the key', () => {
    expect(taskRef(keyed('a'), task)).not.toEqual(taskRef(keyed('b'), task));
    expect(spanId(keyed('a'), 'iteration it-1')).not.toBe(spanId(keyed('b'), 'iteration it-1'));
  });

  it('go through a traceparent', () => {
    const ref = iterationRef(keyed('k'), task, 'it-1');
    expect(traceparent(ref)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(readTraceparent(traceparent(ref))).toEqual(ref);
  });

  it.each([
    undefined,
    null,
    7,
    '',
    '00-0123456789abcdef0123456789abcdef-0123456789abcdef',
    `00-${'0'.repeat(32)}-0123456789abcdef-01`,
    `00-0123456789abcdef0123456789abcdef-${'0'.repeat(16)}-01`,
    '00-0123456789ABCDEF0123456789abcdef-0123456789abcdef-01',
    '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\n',
  ])('are not read from %j', (text) => {
    expect(readTraceparent(text)).toBeNull();
  });

  it('are read from nothing by chance', () => {
    fc.assert(fc.property(fc.string(), (text) => readTraceparent(text) === null));
  });
});
