import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCheckOutputs } from './check-outputs.ts';

const about = `${JSON.stringify({ kernel: '6.1', guest: { image: 'i', builder: 'debian', tools: { node: '24' } } })}\n`;

function part(id: string, out: string, err: string, more: { bytes?: number; head?: number } = {}): Buffer {
  const [o, e] = [Buffer.from(out), Buffer.from(err)];
  const head = more.head ?? o.length;
  const stdout = { bytes: more.bytes ?? o.length, head, tail: o.length - head };
  const line = JSON.stringify({ id, stdout, stderr: { bytes: e.length, head: e.length, tail: 0 } });
  return Buffer.concat([Buffer.from(`${line}\n`), o, e, Buffer.from('\n')]);
}
const file = (...parts: Buffer[]) => Buffer.concat([Buffer.from(about), ...parts]);

describe('the outputs of a run of checks', () => {
  it('are told apart, whole or by their two ends', () => {
    const { about, outputs } = parseCheckOutputs(
      file(part('a', 'one\n', 'two'), part('b', 'headtail', '', { bytes: 9999, head: 4 })),
    );
    expect(about).toEqual({ kernel: '6.1', image: 'i', builder: 'debian', tools: { node: '24' } });
    expect(outputs).toEqual([
      {
        id: 'a',
        stdout: { bytes: 4, encoding: 'utf8', head: 'one\n', tail: null },
        stderr: { bytes: 3, encoding: 'utf8', head: 'two', tail: null },
      },
      {
        id: 'b',
        stdout: { bytes: 9999, encoding: 'utf8', head: 'head', tail: 'tail' },
        stderr: { bytes: 0, encoding: 'utf8', head: '', tail: null },
      },
    ]);
  });

  it('hold what is no text without loss', () => {
    const bytes = Buffer.from([0xff, 0, 1, 0x0a]);
    const line = JSON.stringify({
      id: 'x',
      stdout: { bytes: 4, head: 4, tail: 0 },
      stderr: { bytes: 0, head: 0, tail: 0 },
    });
    const { outputs } = parseCheckOutputs(file(Buffer.concat([Buffer.from(`${line}\n`), bytes, Buffer.from('\n')])));
    expect(outputs[0]?.stdout).toEqual({ bytes: 4, encoding: 'base64', head: bytes.toString('base64'), tail: null });
  });

  it('end where they stop making sense', () => {
    const good = part('a', 'one', '');
    for (const bad of ['', 'x', '{"id":"b"}\n', '{"id":"b","stdout":{"bytes":-1,"head":0,"tail":0},"stderr":{}}\n'])
      expect(parseCheckOutputs(file(good, Buffer.from(bad))).outputs.map((one) => one.id)).toEqual(['a']);
    const more = JSON.stringify({
      id: 'b',
      stdout: { bytes: 1e15, head: 1e9, tail: 1e9 },
      stderr: { bytes: 0, head: 0, tail: 0 },
    });
    expect(parseCheckOutputs(file(good, Buffer.from(`${more}\nshort`))).outputs).toHaveLength(1);
    expect(parseCheckOutputs(file(good, part('a', 'forged', ''))).outputs).toHaveLength(1);
    expect(parseCheckOutputs(new Uint8Array())).toEqual({ about: null, outputs: [] });
  });

  it('are read without a word of complaint, whatever they are and wherever they were cut off', () => {
    const whole = file(part('a', 'one', 'two'), part('b', '', 'x'));
    for (let end = 0; end < whole.length; end++)
      expect(parseCheckOutputs(whole.subarray(0, end)).outputs.length).toBeLessThanOrEqual(2);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseCheckOutputs(bytes)));
  });
});
