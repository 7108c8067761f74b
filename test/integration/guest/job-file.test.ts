import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { JobSpec } from '../../../src/guest/guest.ts';
import { jobFile } from '../../../src/guest/job-file.ts';

const job: JobSpec = {
  ...{ id: 'it-1', kind: 'agent', user: 'ralph1', title: 'implementer-1', cwd: '/home/ralph1/work', argv: ['true'] },
  ...{ checks: [], env: {}, files: [], paneFilter: null, timeoutSeconds: 60, maxStreamBytes: 1000 },
};

const folder = mkdtempSync(join(tmpdir(), 'rf-job-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What a shell does that reads the file as ralph-job does, and then runs `then`. */
function sh(file: string, then: string) {
  const path = join(folder, 'job');
  writeFileSync(path, file);
  const show = `show() { for each in "$@"; do printf '%s\\0' "$each"; done; }; run_one() { show "$@"; }; check() { show "$@"; }; put() { show "$@"; }`;
  const script = `${show}\nwhole=''; . '${path}'\n[ -n "$whole" ] && { ${then}; }`;
  const ran = spawnSync('sh', ['-c', script], { env: { PATH: '/usr/bin:/bin' } });
  return { said: ran.stdout.toString().split('\0').slice(0, -1) };
}

describe('a job as the guest’s shell reads it', () => {
  it('is what was asked for, whatever stands in it', () => {
    const odd = fc
      .string({ unit: 'binary', maxLength: 40 })
      .filter((text) => !text.includes('\0') && text.isWellFormed());
    fc.assert(
      fc.property(odd, odd, odd, (a, b, c) => {
        const spec: JobSpec = {
          ...{ ...job, argv: ['x', a, b], cwd: c, env: { A: a, B_1: b, 'no name': c, '1x': c }, paneFilter: b },
          files: [{ path: c, content: a, mode: 0o600 }],
        };
        const { said } = sh(
          jobFile(spec),
          'job_env; show "$cwd" "$A" "$B_1" "$pane_filter" "$kind"; job_run; job_files',
        );
        expect(said).toEqual([c, a, b, b, 'agent', '60', 'x', a, b, c, '600', a]);
      }),
      { numRuns: 60 },
    );
  });

  it('names each check in JSON, with its seconds and its line', () => {
    const checks = [{ id: 'a"b', run: `test "$x" = 'y'`, timeoutSeconds: 5 }];
    expect(sh(jobFile({ ...job, kind: 'checks', checks }), 'job_run').said).toEqual([
      ...['"a\\"b"', '5', `test "$x" = 'y'`],
    ]);
  });

  it('has a title a tmux window can bear', () => {
    const titleOf = (title: string) => sh(jobFile({ ...job, title }), 'show "$title"').said[0];
    expect(titleOf('a:b.c\u001b[31m"; x')).toBe('abc31m x');
    expect(titleOf('x'.repeat(100))).toHaveLength(40);
    expect(titleOf('::')).toBe('it-1');
  });

  it('is not whole when it was cut off anywhere', () => {
    const file = jobFile({ ...job, env: { A: "it's" }, files: [{ path: '/a', content: 'x\ny', mode: 0o644 }] });
    for (let length = 0; length < file.length - 'yes\n'.length; length += 3)
      expect([length, sh(file.slice(0, length), 'show ran').said]).toEqual([length, []]);
    expect(sh(file, 'show ran').said).toEqual(['ran']);
  });

  it('takes no zero byte', () => {
    expect(() => jobFile({ ...job, argv: ['a\0b'] })).toThrow(/zero byte/);
  });
});
