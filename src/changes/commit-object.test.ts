import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseCommit, signature, tidyMessage, toChangeId } from './commit-object.ts';

test('a commit with a signature and a change id is read', () => {
  const text =
    'tree aaa\nparent bbb\nparent ccc\nauthor A <a@b> 1 +0000\ncommitter C <c@d> 2 +0100\ngpgsig -----BEGIN\n tree zzz\n -----END\nchange-id zyxwvutsrqponmlkzyxwvutsrqponmlk\n\ntitle\n\nbody\n';
  expect(parseCommit(text)).toEqual({
    tree: 'aaa',
    parents: ['bbb', 'ccc'],
    author: 'A <a@b> 1 +0000',
    committer: 'C <c@d> 2 +0100',
    changeId: 'zyxwvutsrqponmlkzyxwvutsrqponmlk',
    message: 'title\n\nbody\n',
  });
});

test('a change id of another shape is none', () => {
  expect(parseCommit('tree a\nchange-id ../../x\n\nm').changeId).toBeNull();
});

test('change ids have the shape jj wants', () => {
  expect(toChangeId('0123456789abcdef0123456789abcdef')).toBe('zyxwvutsrqponmlkzyxwvutsrqponmlk');
});

test('no name, address or message breaks out of its place', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (name, email) => {
      const text = signature({ name, email }, 1_000);
      expect(text).toMatch(/^[^<>\n\0]*<[^<>\n\0]*> 1 \+0000$/);
    }),
  );
  fc.assert(
    fc.property(fc.string(), (message) => {
      expect(tidyMessage(message)).not.toContain('\0');
      expect(tidyMessage(message).endsWith('\n')).toBe(true);
    }),
  );
});
