import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTemplate, renderPrompt } from './template.ts';

const source = (inputs: string, body: string) => `---\nid: x\nversion: 1\ninputs:\n${inputs}---\n${body}`;
const one = source('  a: {maxChars: 10}\n', 'A: {{a}}; again {{ a }}.');

describe('a template', () => {
  it.each([
    ['no front matter', 'hello {{a}}', /does not begin with front matter/],
    ['an unknown input', source('  a: {maxChars: 9}\n', '{{a}} {{b}}'), /unknown input `b`/],
    [
      'an unused input',
      source('  a: {maxChars: 9}\n  b: {maxChars: 9}\n', '{{a}}'),
      /input `b` is declared and never used/,
    ],
    ['no limit', source('  a: {}\n', '{{a}}'), /inputs\.a\.maxChars/],
    ['bad YAML', '---\n{{{\n---\nx', /not YAML/],
    ['a name of the prototype', source('  a: {maxChars: 9}\n', '{{a}}{{constructor}}'), /unknown input `constructor`/],
  ])('is refused for %s', (_, text, message) => {
    expect(() => parseTemplate(text, 'x.md')).toThrow(message);
  });

  it('puts values in literally and never expands them', () => {
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom('{{a}}', '$&', '$1', '`'), fc.string({ maxLength: 10 })), (value) => {
        expect(renderPrompt(parseTemplate(one, 'x'), { a: value })).toBe(
          `A: ${value.replaceAll('\0', '')}; again ${value.replaceAll('\0', '')}.\n`,
        );
      }),
    );
  });

  it('cuts what is too long, visibly', () => {
    expect(renderPrompt(parseTemplate(one, 'x'), { a: 'y'.repeat(12) })).toContain(
      'yyyyyyyyyy\n[cut here: 2 more characters]',
    );
  });

  it('names values that are missing or not wanted', () => {
    expect(() => renderPrompt(parseTemplate(one, 'x'), { b: '' })).toThrow(/`a` is missing; value `b` is not an input/);
  });
});
