import { describe, expect, it } from 'vitest';
import { asFleetError, FleetError } from './errors.ts';

const errno = (code: string) => Object.assign(new Error(`${code}: said the system, write`), { code });
const sqlite = (errcode: number, message: string) =>
  Object.assign(new Error(message), { code: 'ERR_SQLITE_ERROR', errcode });

describe('what is no error of ours', () => {
  it.each([
    ['a full disk', errno('ENOSPC'), 'full'],
    ['a used-up quota', errno('EDQUOT'), 'full'],
    ['a full disk under the database', sqlite(13, 'database or disk is full'), 'full'],
    ['a read-only disk', errno('EROFS'), 'writable'],
    ['a read-only database', sqlite(8, 'attempt to write a readonly database'), 'writable'],
    ['a read-only folder of it', sqlite(8 | (6 << 8), 'attempt to write a readonly database'), 'writable'],
    ['a dying disk', errno('EIO'), 'dmesg'],
    ['a dying disk under the database', sqlite(10 | (3 << 8), 'disk I/O error'), 'dmesg'],
  ])('%s is told as storage, with what to do', (_, thrown, remedy) => {
    expect(asFleetError(thrown)).toMatchObject({
      code: 'storage',
      message: expect.stringContaining(thrown.message),
      remedy: expect.stringContaining(remedy),
      cause: thrown,
    });
  });

  it('leaves what it knows, and takes the rest for a bug', () => {
    const known = new FleetError('refused', 'no');
    expect(asFleetError(known)).toBe(known);
    for (const odd of [new Error('x'), errno('ENOTTY'), sqlite(1, 'syntax error'), 'text', null, undefined])
      expect(asFleetError(odd).code).toBe('bug');
  });
});
