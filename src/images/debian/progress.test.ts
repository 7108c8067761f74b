import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBootstrapProgress } from './progress.ts';

/** From a recorded run of mmdebstrap 1.3.5 --verbose, shortened. */
const recorded = `I: running apt-get update...
Get:1 http://m.example/debian forky InRelease [151 kB]
I: downloading packages with apt...
0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://m.example/debian forky/main amd64 libc6 amd64 2.42 [2 kB]
Get:2 http://m.example/debian forky/main amd64 dpkg amd64 1.23 [2 kB]
I: extracting archives...
Setting up libc6:amd64 (2.42) ...
Setting up dpkg (1.23) ...
0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.
Setting up tmux (3.7c) ...
I: ralph: kernel
`;

function stagesOf(text: string, cut: number): string[] {
  const seen: string[] = [];
  const progress = createBootstrapProgress((what) => seen.push(what));
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += cut) progress.push(bytes.subarray(at, at + cut));
  return seen;
}

const expected = [
  'asking the Debian mirror',
  'downloading 1 of 2 packages',
  'downloading 2 of 2 packages',
  'unpacking the base system',
  'installing 1 of 2 packages',
  'installing 2 of 2 packages',
  'installing 3 of 3 packages',
  'making it a guest: kernel',
];

describe('createBootstrapProgress', () => {
  it('says the same however the output is cut', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), (cut) => {
        expect(stagesOf(recorded, cut)).toEqual(expected);
      }),
    );
  });

  it('keeps quiet and small on garbage', () => {
    expect(stagesOf(`${'x'.repeat(2_000_000)}\n\u0000\ufffd`, 65_536)).toEqual([]);
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        createBootstrapProgress(() => {}).push(bytes);
      }),
    );
  });
});
