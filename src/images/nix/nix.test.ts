import { describe, expect, it } from 'vitest';
import { buildCommand, nixEnvironment, nixSystem, nixVersion } from './command.ts';
import { explain } from './explain.ts';
import { createNixProgress } from './progress.ts';

describe('the command', () => {
  it('builds for the host’s processor, always for Linux', () => {
    expect([nixSystem('x64'), nixSystem('arm64'), nixSystem('riscv64')]).toEqual([
      'x86_64-linux',
      'aarch64-linux',
      null,
    ]);
    expect(buildCommand('/c/a b#', 'aarch64-linux', '/c/result')).toEqual([
      ...['nix', '--extra-experimental-features', 'nix-command flakes', 'build'],
      ...['path:/c/a%20b%23#packages.aarch64-linux.qcow2', '--out-link', '/c/result', '--log-format', 'raw'],
    ]);
  });

  it('hands on what Nix needs, and no secret of ours', () => {
    const env = nixEnvironment({
      PATH: '/bin',
      HOME: '/h',
      NIX_SSL_CERT_FILE: '/c',
      ANTHROPIC_API_KEY: 'sk',
      https_proxy: 'p',
    });
    expect(env).toMatchObject({ NIX_SSL_CERT_FILE: '/c', https_proxy: 'p' });
    expect(env['PATH']).toBe('/bin:/h/.nix-profile/bin:/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin');
    expect(env).not.toHaveProperty('ANTHROPIC_API_KEY');
  });

  it.each([
    ['nix (Nix) 2.26.3\n', '2.26.3'],
    ['nix (Lix, like Nix) 2.93.0', '2.93.0'],
    ['nix (Determinate Nix 3.8.5) 2.30.2', '2.30.2'],
    ['nix (Nix) 2.32.0pre20250919_c8e288e', '2.32.0pre20250919_c8e288e'],
    ['something else', undefined],
  ])('reads the version of %s', (said, version) => {
    expect(nixVersion(said)?.shown).toBe(version);
  });
});

describe('progress', () => {
  it('counts what is fetched and built, whole lines only, each once', () => {
    const seen: string[] = [];
    const push = createNixProgress((what) => seen.push(what));
    const text = [
      'these 2 derivations will be built:',
      '  /nix/store/00000000000000000000000000000000-ralph-image-x86_64-linux.drv',
      'this path will be fetched (1.2 MiB download, 3.4 MiB unpacked):',
      "copying path '/nix/store/00000000000000000000000000000000-jujutsu-0.42.0' from 'https://cache.example'...",
      "building '/nix/store/00000000000000000000000000000000-ext4-fs.img.drv'...",
      "building '/nix/store/00000000000000000000000000000000-ralph-image-x86_64-linux.drv'...",
      "building '/nix/store/00000000000000000000000000000000-one-more.drv'...",
      '',
    ].join('\n');
    for (const byte of new TextEncoder().encode(text)) push(new Uint8Array([byte]));
    expect(seen).toEqual([
      'fetching 1 of 1: jujutsu-0.42.0',
      'building 1 of 2: ext4-fs.img',
      'building 2 of 2: ralph-image-x86_64-linux',
      'building 3: one-more',
    ]);
  });

  it('is not made to grow, or to speak, by output without end', () => {
    const seen: string[] = [];
    const push = createNixProgress((what) => seen.push(what));
    for (let i = 0; i < 100; i++) push(new TextEncoder().encode('x'.repeat(100_000)));
    push(new TextEncoder().encode("\nbuilding 'no store path'\n"));
    expect(seen).toEqual(['building 1: something']);
  });
});

describe('explain', () => {
  const build = { system: 'aarch64-linux', folder: '/c' } as const;
  it.each([
    [
      "error: experimental Nix feature 'flakes' is disabled; add",
      'image_failed',
      'does not let us use flakes',
      'nix.conf',
    ],
    [
      "error: unable to download 'https://cache.example/nix-cache-info': Could not resolve host",
      'image_failed',
      '`https://cache.example/nix-cache-info`',
      'image.builder',
    ],
    ['warning: error: Could not resolve host: cache.example', 'image_failed', '`cache.example`', 'image.builder'],
    ['error: writing to file: No space left on device', 'storage', '`/c`', 'nix store gc'],
    [
      "error: a 'aarch64-linux' with features {} is required to build '/nix/store/x.drv', but I am a 'x86_64-linux'",
      'image_failed',
      '`aarch64-linux`',
      'SETUP-MACOS',
    ],
    [
      "error: Cannot build '/nix/store/x.drv'.\n Reason: required system or feature not available",
      'image_failed',
      '`aarch64-linux`',
      'SETUP-MACOS',
    ],
    [
      "error: hash mismatch in fixed-output derivation '/nix/store/x-claude.drv':",
      'image_failed',
      'x-claude.drv',
      'ask before',
    ],
    [
      "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket'",
      'image_failed',
      'daemon does not answer',
      'nix-daemon',
    ],
    ['error: attribute missing', 'image_failed', 'could not build', 'same command'],
  ])('%s', (said, code, message, remedy) => {
    expect(explain(new Error(said), build)).toMatchObject({
      code,
      message: expect.stringContaining(message),
      remedy: expect.stringContaining(remedy),
    });
  });
});
