import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ImageBuilder } from '../../src/images/builder.ts';
import { createNixBuilder } from '../../src/images/nix/builder.ts';
import { stageFlake } from '../../src/images/nix/flake.ts';
import { chooseImageBuilder } from '../../src/images/registry.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { baseEnvironment, createExec } from '../../src/lib/exec.ts';
import { createSilentLog } from '../../src/lib/log.ts';

// A stand-in `nix` on PATH: what it is asked for is real, what it answers is each time's own.
const exec = createExec();
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rf-nix-'));
  await mkdir(join(dir, 'bin'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

const flake = { root: resolve('.'), sources: resolve('src') };

/** `build` gets the folder of the staged flake as $flake, and where the result link belongs as $link. */
async function standIn(build: string, version = 'nix (Nix) 2.28.4'): Promise<void> {
  const script = `#!/bin/sh
printf '%s\\n' "$*" >>'${dir}/calls'
case $1 in --version) echo '${version}'; exit ;; esac
shift 2
[ "$1" = build ] || exit 0
flake=\${2#path:} flake=\${flake%%#*} link=$4
${build}
`;
  await writeFile(join(dir, 'bin/nix'), script);
  await chmod(join(dir, 'bin/nix'), 0o755);
}

const good = `
cp -r "$flake" '@DIR@/seen'
echo 'these 2 derivations will be built:' >&2
echo "building '/nix/store/00000000000000000000000000000000-ralph-image.drv'..." >&2
mkdir '@DIR@/out'
image=$(sed 's/.*"image":"\\([^"]*\\)".*/\\1/' "$flake/modules/image/stamp.json")
printf '{"contract":1,"image":"%s","builder":"nix","tools":{"node":"24.1.0"}}' "$image" >'@DIR@/out/guest.json'
for file in image.qcow2 vmlinuz initrd.img; do echo "$file" >'@DIR@/out/'$file; done
echo 'root=/dev/vda rw init=/nix/store/x/init' >'@DIR@/out/cmdline'
chmod 0444 '@DIR@/out/'*
ln -s '@DIR@/out' "$link"
echo '{"nodes":{}}' >"$flake/flake.lock"
`;

function builder(
  agents: string[] = ['claude'],
  source = flake,
  registry = 'https://registry.example/npm/',
): ImageBuilder {
  const env = {
    ...baseEnvironment(),
    PATH: `${join(dir, 'bin')}:${process.env['PATH']}`,
    npm_config_registry: registry,
  };
  const parts = { exec, clock: createSystemClock(), log: createSilentLog() };
  return createNixBuilder({
    ...parts,
    paths: { images: join(dir, 'images') },
    agents,
    flake: source,
    env,
    arch: 'x64',
  });
}

describe('a build', () => {
  it('gives Nix a flake that is stamped and holds nothing else, and keeps what it made', async () => {
    await standIn(good.replaceAll('@DIR@', dir));
    const seen: string[] = [];
    const nix = builder();
    const built = await nix.build((what) => seen.push(what));
    expect(built.key).toBe(await nix.key());
    expect(built.contract).toMatchObject({ builder: 'nix', image: built.key });
    expect(built.boot?.cmdline).toBe('root=/dev/vda rw init=/nix/store/x/init');
    expect(await readFile(built.path, 'utf8')).toBe('image.qcow2\n');
    expect(seen).toContain('building 1 of 2: ralph-image');
    expect((await readdir(join(dir, 'seen'))).toSorted()).toEqual(['flake.nix', 'modules', 'src']);
    const stamp = JSON.parse(await readFile(join(dir, 'seen/modules/image/stamp.json'), 'utf8'));
    expect(stamp).toEqual({ image: built.key, agents: ['claude'], npmRegistry: 'https://registry.example/npm/' });
    // The lock of that build, and neither the flake nor a link into the store.
    const kept = (await readdir(join(dir, 'images', built.key))).toSorted();
    expect(kept).toEqual(['cmdline', 'flake.lock', 'guest.json', 'image.qcow2', 'initrd.img', 'vmlinuz']);
    expect(await readdir(join(dir, 'images'))).toEqual([built.key]);

    await writeFile(join(dir, 'calls'), '');
    expect(await builder().build(() => {})).toEqual(built);
    expect(await readFile(join(dir, 'calls'), 'utf8')).toBe('');

    await rm(join(dir, 'images', built.key, 'cmdline'));
    await rm(join(dir, 'out'), { recursive: true, force: true });
    await rm(join(dir, 'seen'), { recursive: true });
    expect(await builder().build(() => {})).toEqual(built);
  });

  it.each([
    [
      'echo "error: unable to download \'https://cache.example/x\': Could not resolve host" >&2; exit 1',
      'image_failed',
      'cache.example',
    ],
    ['echo "error: experimental Nix feature \'flakes\' is disabled" >&2; exit 1', 'image_failed', 'flakes'],
    ['echo "error: writing: No space left on device" >&2; exit 1', 'storage', 'full'],
    [
      "echo \"error: a 'x86_64-linux' with features {kvm} is required to build '/nix/store/x'\" >&2; exit 1",
      'image_failed',
      'x86_64-linux',
    ],
    ['kill -9 $$', 'image_failed', 'could not build'],
    // Says it did, and did not.
    ['exit 0', 'image_failed', 'could not be taken'],
  ])('that fails (%s) leaves nothing and says why', async (fault, code, words) => {
    await standIn(fault);
    await expect(builder().build(() => {})).rejects.toMatchObject({ code, message: expect.stringMatching(words) });
    expect(await readdir(join(dir, 'images'))).toEqual([]);
  });

  it('works from a package that is read-only, as Nix installs it', async () => {
    const root = join(dir, 'store');
    for (const part of ['flake.nix', 'modules', 'src/guest', 'src/images/contents.json']) {
      await cp(part, join(root, part), { recursive: true });
    }
    await exec(['chmod', '-R', 'a-w', root]);
    const staged = join(dir, 'staged');
    await stageFlake({ root, sources: join(root, 'src') }, staged, {
      image: 'x',
      agents: [],
      npmRegistry: 'https://registry.example/',
    });
    const { stdout } = await exec(['find', staged, '!', '-perm', '-u=w']);
    expect(stdout).toBe('');
    expect(JSON.parse(await readFile(join(staged, 'modules/image/stamp.json'), 'utf8'))).toEqual({
      image: 'x',
      agents: [],
      npmRegistry: 'https://registry.example/',
    });
    await exec(['chmod', '-R', 'u+w', root]);
  });

  it('does not show the login of a registry to everyone', async () => {
    await standIn(good.replaceAll('@DIR@', dir));
    const nix = builder(['claude'], flake, 'https://ada:hunter2@registry.example/');
    const error = await nix.build(() => {}).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'command_failed', remedy: expect.stringContaining('holds a password') });
    expect(inspect(error, { depth: 9 })).not.toContain('hunter2');
    expect(await readdir(join(dir, 'images'))).toEqual([]);
  });

  it('is called off at once', async () => {
    await standIn('exec sleep 60');
    const stop = new AbortController();
    const build = builder().build(() => stop.abort(), stop.signal);
    await expect(build).rejects.toMatchObject({ name: 'AbortError' });
    expect(await readdir(join(dir, 'images'))).toEqual([]);
  });
});

describe('the key', () => {
  it('changes with each thing that goes into the image', async () => {
    await standIn('exit 1');
    const root = join(dir, 'copy');
    for (const part of ['flake.nix', 'modules', 'src/guest', 'src/images/contents.json']) {
      await cp(part, join(root, part), { recursive: true });
    }
    const copied = { root, sources: join(root, 'src') };
    const keys = [await builder().key(), await builder([]).key()];
    expect(await builder(['claude', 'scripted'], copied).key()).toBe(keys[0]);
    for (const part of [
      'flake.nix',
      'flake.lock',
      'modules/guest/ssh.nix',
      'src/guest/scripts/ralph-job',
      'src/images/contents.json',
    ]) {
      await writeFile(join(root, part), '\n', { flag: 'a' });
      keys.push(await builder(['claude'], copied).key());
    }
    expect(new Set(keys).size).toBe(7);
  });
});

describe('whether it can build', () => {
  it.each([
    ['nix (Nix) 2.28.4', null],
    ['nix (Nix) 2.8.1', 'install Nix 2.18'],
    ['hello', 'install Nix 2.18'],
  ])('%s', async (version, remedy) => {
    await standIn('exit 0', version);
    const { available, problems } = await builder().probe();
    expect(available).toBe(remedy === null);
    if (remedy !== null) expect(problems[0]?.remedy).toContain(remedy);
  });

  it('says so where there is no Nix, and `auto` then takes Debian', async () => {
    const nowhere = { ...baseEnvironment(), PATH: join(dir, 'bin') };
    const parts = { exec, clock: createSystemClock(), log: createSilentLog(), paths: { images: dir, tools: dir } };
    const nix = createNixBuilder({ ...parts, agents: [], flake, env: nowhere });
    expect(await nix.probe()).toMatchObject({ available: false, problems: [{ what: '`nix` is not installed' }] });
    const image = { agents: [], debianMirror: null };
    const chosen = (kind: 'auto' | 'nix' | 'debian', env: Record<string, string>) =>
      chooseImageBuilder({ ...image, builder: kind }, { ...parts, env }).then(({ name }) => name);
    expect(await chosen('auto', nowhere)).toBe('debian');
    await standIn('exit 0');
    const there = { ...nowhere, PATH: `${join(dir, 'bin')}:${process.env['PATH']}` };
    // Both can be built: Debian's is the proved one.
    expect([await chosen('auto', there), await chosen('nix', there)]).toEqual(['debian', 'nix']);
  });
});
