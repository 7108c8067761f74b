import { describe, expect, it } from 'vitest';
import { aBundle, bundleParts, made } from '../../test/support/evidence.ts';
import { evidenceBundle } from './schema.ts';
import { problemsOf, sealBundle } from './seal.ts';

type Json = { [key: string]: unknown };

describe('an evidence bundle', () => {
  it('is whole after a way through a file, in whatever order its keys come back', () => {
    const turned = JSON.parse(JSON.stringify(aBundle({ change: Buffer.from('pack') })), (_, value: unknown) =>
      value !== null && typeof value === 'object' && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).reverse())
        : value,
    );
    expect(problemsOf(evidenceBundle.parse(turned))).toEqual([]);
  });

  it('is the same for the same evidence', () => {
    expect(aBundle().digest).toBe(aBundle().digest);
    expect(aBundle({ commit: 'e'.repeat(40) }).digest).not.toBe(aBundle().digest);
  });

  it('notices a change of any word, figure or truth in it', () => {
    const text = JSON.stringify(aBundle({ change: Buffer.from('pack') }));
    let changed = 0;
    for (const path of leavesOf(JSON.parse(text))) {
      const bundle = JSON.parse(text);
      const parent = path.slice(0, -1).reduce<Json>((at, key) => at[key] as Json, bundle);
      const key = path.at(-1) ?? '';
      parent[key] = other(parent[key]);
      const found = evidenceBundle.safeParse(bundle);
      expect([path.join('.'), found.success && problemsOf(found.data).length === 0]).toEqual([path.join('.'), false]);
      changed++;
    }
    expect(changed).toBeGreaterThan(60);
  });

  it('does not hold together when its parts contradict each other, though all digests are right', () => {
    const parts = bundleParts();
    const lies = {
      'came to something else': { verified: parts.verified.map((one) => ({ ...one, results: [] })) },
      'of another commit': { task: { ...parts.task, commit: 'e'.repeat(40) } },
      'the record of run `ck-1` is missing': { runs: [] },
    };
    for (const [problem, lie] of Object.entries(lies))
      expect(problemsOf(sealBundle({ ...parts, ...lie }, made)).join('; ')).toContain(problem);
  });

  it('holds no more than its schema says', () => {
    const odd = (more: object) => evidenceBundle.safeParse({ ...aBundle(), ...more }).success;
    expect(odd({})).toBe(true);
    expect(odd({ version: 2 })).toBe(false);
    expect(odd({ path: '../../etc/passwd' })).toBe(false);
    const task = (more: object) => ({ parts: { ...aBundle().parts, task: { ...aBundle().parts.task, ...more } } });
    const check = { id: 'c', description: '', run: 'true', timeoutSeconds: 1 };
    expect(odd(task({ checks: [check] }))).toBe(true);
    for (const checks of [[{ ...check, id: '../x' }], [{ ...check, run: 'a\0b' }], [{ ...check, timeoutSeconds: 1e9 }]])
      expect(odd(task({ checks }))).toBe(false);
    expect(odd(task({ commit: '--upload-pack=x' }))).toBe(false);
  });
});

function leavesOf(value: unknown, path: string[] = []): string[][] {
  if (value === null || typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([key, part]) => leavesOf(part, [...path, key]));
}

function other(value: unknown): unknown {
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  if (typeof value !== 'string') return 'x';
  const last = value.at(-1);
  return value === '' ? 'x' : `${value.slice(0, -1)}${last === '0' ? '1' : '0'}`;
}
