import { closeSync, existsSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openRotatingFile } from '../../src/lib/rotating-file.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rf-rotating-'));
  path = join(folder, 'a.log');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const line = (n: number) => `${String(n).padStart(9, '0')}\n`;
const read = (name: string) => (existsSync(name) ? readFileSync(name, 'utf8') : null);

it('turns over before a line would pass the size, and keeps so many copies', () => {
  const file = openRotatingFile(path, { maxBytes: 20, copies: 2 });
  for (let n = 1; n <= 7; n++) file.write(line(n));
  expect([path, `${path}.1`, `${path}.2`, `${path}.3`].map(read)).toEqual([
    ...[line(7), line(5) + line(6), line(3) + line(4), null],
  ]);
});

it('a line longer than that has a file of its own', () => {
  const file = openRotatingFile(path, { maxBytes: 20, copies: 2 });
  file.write(line(1));
  file.write(`${'x'.repeat(50)}\n`);
  file.write(line(2));
  expect([path, `${path}.1`, `${path}.2`].map((it) => read(it)?.length)).toEqual([10, 51, 10]);
});

it('two that write the same file turn it over once and lose nothing', () => {
  const both = [1, 2].map(() => openRotatingFile(path, { maxBytes: 100, copies: 9 }));
  for (let n = 0; n < 80; n++) both[n % 2]?.write(line(n));
  const all = [path, ...Array.from({ length: 9 }, (_, n) => `${path}.${n + 1}`)].map((it) => read(it) ?? '');
  const lines = all.join('').trimEnd().split('\n').map(Number);
  expect(lines.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, n) => n));
});

it('goes on where the file was moved away, and where its folder is gone writes nothing and throws nothing', async () => {
  const file = openRotatingFile(path, { maxBytes: 20, copies: 2 });
  file.write(line(1));
  renameSync(path, join(folder, 'moved'));
  file.write(line(2));
  file.write(line(3));
  expect([read(join(folder, 'moved')), read(path)]).toEqual([line(1) + line(2), line(3)]);
  await rm(folder, { recursive: true });
  for (let n = 4; n < 10; n++) file.write(line(n));
  expect(existsSync(path)).toBe(false);
});

it('what others wrote to the file counts', () => {
  const file = openRotatingFile(path, { maxBytes: 30, copies: 1 });
  file.write(line(1));
  const other = openSync(path, 'a');
  writeSync(other, 'y'.repeat(15));
  closeSync(other);
  file.write(line(2));
  expect([read(path), read(`${path}.1`)]).toEqual([line(2), `${line(1)}${'y'.repeat(15)}`]);
});
