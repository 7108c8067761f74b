import { describe, expect, test } from 'vitest';
import { headBytes, replaceDomain } from './save-file.ts';

/** As libvirt writes it. */
function head(xml: string, cookie: string | null, padding: number): Buffer {
  const text = Buffer.from(`${xml}\0`);
  const more = Buffer.from(cookie === null ? '' : `${cookie}\0`);
  const fixed = Buffer.alloc(92);
  fixed.write('LibvirtQemudSave');
  const cookieAt = cookie === null ? 0 : text.length;
  const words = [2, text.length + more.length + padding, 0, 6, cookieAt];
  for (const [n, word] of words.entries()) fixed.writeUInt32LE(word, 16 + 4 * n);
  return Buffer.concat([fixed, text, more, Buffer.alloc(padding)]);
}

describe('the head of a save file', () => {
  const old = head('<domain>old</domain>', '<cookie/>', 100);

  test('takes another domain, keeps cookie, format and length, and wants it running', () => {
    const xml = '<domain>a longer one, of the fork</domain>';
    const made = Buffer.from(replaceDomain(old, xml));
    expect(made.length).toBe(old.length);
    expect(headBytes(made)).toBe(old.length);
    const wanted = head(xml, '<cookie/>', 100 - (xml.length - '<domain>old</domain>'.length));
    wanted.writeUInt32LE(1, 24);
    expect(made.equals(wanted)).toBe(true);
  });

  test('nothing of the old domain stays behind', () => {
    const made = Buffer.from(replaceDomain(head('<domain>secret</domain>', null, 100), '<d/>'));
    expect(made.includes('secret')).toBe(false);
    expect(made.readUInt32LE(32)).toBe(0);
  });

  test('what does not fit is refused', () => {
    const most = 'x'.repeat(old.length - 92 - 1 - '<cookie/>\0'.length);
    expect(() => replaceDomain(old, most)).not.toThrow();
    expect(() => replaceDomain(old, `${most}x`)).toThrow('bytes of the save file');
  });

  test('what is no save file, half of one or of another version is refused', () => {
    const newer = Buffer.from(old);
    newer.writeUInt32LE(3, 16);
    const half = Buffer.from(old);
    half.write('LibvirtQemudPart');
    for (const bad of [Buffer.alloc(0), old.subarray(0, 91), newer, half, Buffer.alloc(200)]) {
      expect(() => headBytes(bad)).toThrow('no save file of libvirt');
    }
  });
});
