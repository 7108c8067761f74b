import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redact } from '../../lib/log.ts';
import { makeEntries, type RawLine } from './entry.ts';
import type { LogSource } from './source.ts';

const deps = { fleet: 'main', hide: redact };
const daemon: LogSource = { key: 'daemon', kind: 'daemon', path: '/x', labels: {}, ids: {}, endedAt: null };
const now = Date.parse('2026-11-21T12:00:00.000Z');

function raw(lines: readonly string[], from = 0): RawLine[] {
  let offset = from;
  return lines.map((line) => {
    const bytes = Buffer.from(line);
    const one = { offset, bytes, whole: bytes.length };
    offset += bytes.length + 1;
    return one;
  });
}
const record = (ms: number, more = '') => `{"level":30,"time":"${new Date(ms).toISOString()}"${more},"msg":"m"}`;
const make = (lines: readonly string[], lastMs = 0, source = daemon) =>
  makeEntries(source, raw(lines), { from: 0, atMs: now, lastMs }, deps);

describe('times', () => {
  it('are the record’s, and below the millisecond the place in the file', () => {
    const line = record(now - 5000);
    const second = String(line.length + 1).padStart(6, '0');
    expect(make([line, line]).entries.map(({ ns }) => ns)).toEqual([`${now - 5000}000000`, `${now - 5000}${second}`]);
  });

  it.each([
    ['a line without one has that of the line before', [record(now - 9), 'FATAL ERROR: heap'], [now - 9, now - 9]],
    ['a clock that went back stays', [record(now - 9), record(now - 7_200_000)], [now - 9, now - 9]],
    ['none lies a minute after it was seen', [record(now + 7_200_000), record(now - 1)], [now + 60_000, now + 60_000]],
    ['garbage is no time', ['{"level":30,"time":"soon soon soon soon soon"}'], [now - 60_000]],
  ])('%s', (_, lines, times) => {
    expect(make(lines, now - 60_000).entries.map(({ ns }) => Number(ns.slice(0, -6)))).toEqual(times);
  });

  it('before the first line with a time there is that one’s; where there is none, the moment they were seen', () => {
    const times = (lines: string[]) => make(lines).entries.map(({ ns }) => Number(ns.slice(0, -6)));
    expect(times(['(node:1) Warning', record(now - 9), 'x'])).toEqual([now - 9, now - 9, now - 9]);
    expect(times(['(node:1) Warning'])).toEqual([now]);
  });

  it('never fall, lie in no future, differ, and come out the same again, whatever clocks did', () => {
    const times = fc.array(fc.integer({ min: now - 1e9, max: now + 1e9 }), { minLength: 1, maxLength: 50 });
    const kinds = fc.constantFrom<LogSource['kind']>('daemon', 'iteration');
    fc.assert(
      fc.property(times, kinds, fc.integer({ min: 0, max: now + 1e9 }), (records, kind, lastMs) => {
        const lines = records.map((ms, at) => (at % 3 === 2 ? 'plain' : record(ms)));
        const { entries } = make(lines, lastMs, { ...daemon, kind });
        const ns = entries.map((entry) => BigInt(entry.ns));
        expect(entries.every(({ ns: one }) => Number(one.slice(0, -6)) <= now + 60_000)).toBe(true);
        expect(new Set(ns).size).toBe(ns.length);
        expect(ns).toEqual(ns.toSorted((a, b) => Number(a - b)));
        expect(make(lines, lastMs, { ...daemon, kind }).entries).toEqual(entries);
      }),
    );
  });
});

it('two guests that print the same at the same moment are told apart', () => {
  const boot = ['[    0.000000] Linux version 7.2', 'login: '];
  const of = (key: string) =>
    make(boot, 0, { ...daemon, key, kind: 'console' }).entries.map(({ ns, line }) => ns + line);
  expect(new Set([...of('console/a'), ...of('console/b')]).size).toBe(4);
  expect(of('console/a')).toEqual(of('console/a'));
});

it('metadata: level and ids of the record, those of the source, what kind of line an agent printed, what was cut', () => {
  const ids = { iteration: 'it-1', task: 'T1' };
  const source: LogSource = { ...daemon, kind: 'iteration', ids, labels: { role: 'reviewer' } };
  const [line] = make([record(now, ',"vm":"ab","task":"T2","secret":"x","n":4,"step":7')]).entries;
  expect(JSON.parse(line?.meta ?? '')).toEqual({ level: 'info', vm: 'ab', task: 'T2', step: '7' });
  const printed = [
    '{"type":"assistant","message":{}}',
    'x'.repeat(20_000),
    '{"num_turns":1,"type":"result"}',
    '{"type":7}',
  ];
  const [agent, long, result, odd] = make(printed, 0, source).entries;
  expect(JSON.parse(result?.meta ?? '')).toEqual({ ...ids, kind: 'result' });
  expect(JSON.parse(odd?.meta ?? '')).toEqual(ids);
  expect(JSON.parse(agent?.meta ?? '')).toEqual({ ...ids, kind: 'assistant' });
  expect(JSON.parse(long?.meta ?? '')).toEqual({ ...ids, cut: '3616' });
  expect(JSON.parse(agent?.stream ?? '')).toEqual({
    ...{ service_name: 'ralph-fleet', fleet: 'main', stream: 'iteration', role: 'reviewer' },
  });
});
