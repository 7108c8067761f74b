import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSignals } from './signals.ts';

const nonce = '0123456789abcdef0123456789abcdef';
const file = (...lines: unknown[]) =>
  new TextEncoder().encode(lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
const signed = (signal: object) => ({ nonce, ...signal });
const none = { closing: null, ask: null, verdict: null, refused: 0 };

describe('signals', () => {
  it('takes the last closing verb', () => {
    const bytes = file(
      signed({ verb: 'partial', summary: 'half', remaining: 'rest' }),
      signed({ verb: 'done', summary: 'all' }),
    );
    expect(parseSignals(bytes, nonce)).toEqual({ ...none, closing: { verb: 'done', text: 'all' } });
  });

  it('refuses and counts what has no nonce, another one, or another form', () => {
    const bytes = file(
      { verb: 'done', summary: 'x' },
      { nonce: 'f'.repeat(32), verb: 'done', summary: 'x' },
      { nonce: [nonce], verb: 'done', summary: 'x' },
      signed({ verb: 'done' }),
      signed({ verb: 'win', summary: 'x' }),
      signed({ verb: 'done', summary: '   ' }),
      signed({ verb: 'done', summary: '<what you changed>' }),
      '{"nonce":"',
      'null',
    );
    expect(parseSignals(bytes, nonce)).toEqual({ ...none, refused: 9 });
  });

  it('accepts nothing for an empty nonce', () => {
    expect(parseSignals(file({ nonce: '', verb: 'done', summary: 'x' }), '').closing).toBeNull();
  });

  it('reads a verdict with its findings, cleaned', () => {
    const finding = { file: 'a.ts', line: 3, severity: 'major', what: 'wrong \u001b[31mthing', why: 'users lose data' };
    const bytes = file(signed({ verb: 'verdict', decision: 'request_changes', findings: [finding], summary: 'no' }));
    expect(parseSignals(bytes, nonce).verdict).toEqual({
      decision: 'request_changes',
      findings: [{ ...finding, what: 'wrong thing' }],
      summary: 'no',
    });
  });

  it('refuses a verdict that contradicts itself', () => {
    const minor = { severity: 'minor', what: 'x', why: 'y' };
    const bytes = file(
      signed({ verb: 'verdict', decision: 'request_changes', findings: [minor], summary: 's' }),
      signed({ verb: 'verdict', decision: 'approve', findings: [{ ...minor, severity: 'blocking' }], summary: 's' }),
    );
    expect(parseSignals(bytes, nonce)).toEqual({ ...none, refused: 2 });
  });

  it('is not upset by any bytes and lets no line without the nonce through', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.object()), (bytes, objects) => {
        const all = Buffer.concat([bytes, Buffer.from('\n'), file(...objects)]);
        expect(parseSignals(all, nonce)).toMatchObject({ closing: null, ask: null, verdict: null });
      }),
    );
  });

  it('hears a right line among any garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 200 }), (before, after) => {
        const line = Buffer.concat([
          Buffer.from('\n'),
          file(signed({ verb: 'stuck', reason: 'r' })),
          Buffer.from('\n'),
        ]);
        const signals = parseSignals(Buffer.concat([before, line, after]), nonce);
        expect(signals.closing).toEqual({ verb: 'stuck', text: 'r' });
      }),
    );
  });

  it('reads only the end of a huge file', () => {
    const bytes = Buffer.concat([
      Buffer.alloc(5_000_000, 'x'),
      Buffer.from('\n'),
      file(signed({ verb: 'done', summary: 'end' })),
    ]);
    expect(parseSignals(bytes, nonce)).toEqual({ ...none, closing: { verb: 'done', text: 'end' } });
  });
});
