import { expect, test } from 'vitest';
import { parseJobStates } from './answers.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const end = { exitCode: 0, signal: null, timedOut: false, killed: false, startedAt: 1, endedAt: 2 };
const job = { id: 'it-1', state: 'ended', streamBytes: 5, end };
const lines = (...values: unknown[]) => encode(values.map((value) => `${JSON.stringify(value)}\n`).join(''));

test('job states are read', () => {
  expect(parseJobStates(lines(job, { id: 'a', state: 'running', streamBytes: 0, end: null }))).toHaveLength(2);
  expect(parseJobStates(encode(''))).toEqual([]);
});

test.each([
  ['half JSON', encode('{"id":"a","state":')],
  ['no JSON', encode('bash: ralph-job: command not found\n')],
  ['ended without an end', lines({ ...job, end: null })],
  ['running with an end', lines({ ...job, state: 'running' })],
  ['an id with a path', lines({ ...job, id: '../x' })],
  ['bytes below zero', lines({ ...job, streamBytes: -1 })],
  ['a wrong type', lines({ ...job, streamBytes: '5' })],
  ['an exit code of 1000', lines({ ...job, end: { ...end, exitCode: 1000 } })],
  ['invalid UTF-8', new Uint8Array([0xff, 0xfe, 10])],
])('%s is refused', (_name, bytes) => {
  expect(() => parseJobStates(bytes)).toThrow(/nonsense/);
});
