import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aptUris, findMirror } from './mirror.ts';

const files = (tree: Record<string, string>) => ({
  read: async (path: string) => tree[path] ?? null,
  list: async (folder: string) =>
    Object.keys(tree)
      .filter((path) => path.startsWith(`${folder}/`))
      .map((path) => path.slice(folder.length + 1)),
});

describe('findMirror', () => {
  it('takes the archive from a deb822 file, not its security part nor another vendor', async () => {
    const host = files({
      '/etc/apt/sources.list.d/a-vendor.sources':
        'Types: deb\nURIs: https://vendor.example/apt\nSuites: x\nComponents: main\n',
      '/etc/apt/sources.list.d/debian.sources':
        '# c\nTypes: deb-src deb\nURIs: http://sec.example/debian-security\n  http://m.example/debian/\nSuites: bookworm\n',
    });
    expect(await findMirror(null, host)).toBe('http://m.example/debian');
  });

  it('takes it from a one-line list with options', async () => {
    const list =
      'deb-src http://no.example/debian x main\n#deb http://no.example/debian x main\ndeb [arch=amd64] http://m.example/debian trixie main\n';
    expect(await findMirror(null, files({ '/etc/apt/sources.list': list }))).toBe('http://m.example/debian');
  });

  it('follows a mirror list as cloud images have it', async () => {
    const host = files({
      '/etc/apt/sources.list.d/debian.sources':
        'Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: x\n',
      '/etc/apt/mirrors/debian.list': '# first choice\nhttps://m.example/debian\n',
    });
    expect(await findMirror(null, host)).toBe('https://m.example/debian');
  });

  it('prefers the configured one and refuses what is no address', async () => {
    expect(await findMirror('http://mine.example/debian/', files({}))).toBe('http://mine.example/debian');
    for (const bad of [
      '',
      'ftp://x/debian',
      'http://x/de bian',
      'http://x/debian main\ndeb http://evil/',
      '$(reboot)',
    ]) {
      await expect(findMirror(bad, files({}))).rejects.toMatchObject({ code: 'usage' });
    }
  });

  it('names the key of fleet.yaml where there is none', async () => {
    const ubuntu = files({ '/etc/apt/sources.list': 'deb http://archive.example/ubuntu noble main\n' });
    await expect(findMirror(null, ubuntu)).rejects.toMatchObject({
      remedy: expect.stringContaining('image.debianMirror'),
    });
  });

  it('skips a paragraph that is switched off', () => {
    expect(aptUris('Types: deb\nEnabled: no\nURIs: http://m.example/debian\nSuites: x\n', 'sources')).toEqual([]);
  });

  it('never throws on anything', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('list' as const, 'sources' as const), (t, k) => void aptUris(t, k)),
    );
  });
});
