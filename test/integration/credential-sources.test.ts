import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepChoices, readChoices, wantedSource } from '../../src/credentials/choices.ts';
import { forget, keepInFile, keepInKeychain, ownSource, readGiven } from '../../src/credentials/keep.ts';
import { openSource, ownFile, type SourceDeps } from '../../src/credentials/sources.ts';
import { type CredentialSource, defaultSource } from '../../src/domain/credential.ts';
import { createExec } from '../../src/lib/exec.ts';
import { resolvePaths } from '../../src/lib/paths.ts';

// Real files and processes. `secret-tool` and `security` are stand-ins that answer as the real ones were seen to.
let folder: string;
const key = 'sk-ant-api03-made-up-for-a-test';
const token = 'sk-ant-oat01-made-up-for-a-test';
const variables: Record<string, string> = {};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rf-cred-'));
  mkdirSync(join(folder, 'bin'));
  for (const name of Object.keys(variables)) delete variables[name];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const paths = () => resolvePaths({ HOME: folder });
function deps(platform: NodeJS.Platform = 'linux'): SourceDeps {
  return {
    ...{ exec: createExec(), platform, paths: paths(), uid: process.getuid?.() },
    env: { HOME: folder, USER: 'ada', PATH: `${folder}/bin:/usr/bin:/bin` },
    variable: (name) => variables[name],
    setVariable: (_, name) => `export ${name}=…`,
  };
}
const read = (source: CredentialSource, platform?: NodeJS.Platform) =>
  openSource('anthropic', source, deps(platform)).read();
const put = (name: string, text: string, mode = 0o600) => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
};
const tool = (name: string, script: string) => put(`bin/${name}`, `#!/bin/sh\n${script}\n`, 0o755);
const file = (path: string): CredentialSource => ({ from: 'file', path });

describe('a file', () => {
  it('is read when it is the user’s own and nobody else’s, through a link too', async () => {
    const path = put('key', `${key}\n`);
    symlinkSync(path, join(folder, 'link'));
    for (const named of [path, join(folder, 'link')])
      expect(await read(file(named))).toMatchObject({ kind: 'there', key, isSubscription: false });
    put('key', token);
    expect(await read(file(path))).toMatchObject({ key: token, isSubscription: true });
  });

  it.each([0o640, 0o604, 0o620, 0o644, 0o777])(
    'is refused with the remedy where others may read or write it (%o)',
    async (mode) => {
      const path = put('key', key, mode);
      const found = await read(file(path));
      expect(found).toMatchObject({ kind: 'absent', remedy: `chmod 600 ${path}` });
      execFileSync('/bin/sh', ['-c', found.kind === 'there' ? 'false' : found.remedy]);
      expect(await read(file(path))).toMatchObject({ kind: 'there' });
    },
  );

  it('is refused for what it is', async () => {
    execFileSync('mkfifo', ['-m', '600', join(folder, 'pipe')]);
    mkdirSync(join(folder, 'folder'), { mode: 0o700 });
    const wrong: [string, string][] = [
      [join(folder, 'none'), 'there is no'],
      [join(folder, 'key', 'below'), 'there is no'],
      [join(folder, 'folder'), 'is a folder'],
      [join(folder, 'pipe'), 'is a pipe'],
      ['/dev/zero', 'is a device'],
      [put('big', 'x'.repeat(1024 * 1024)), 'larger than 64 KiB'],
      [put('empty', ''), 'is no key'],
      [put('short', 'k'), 'is no key'],
      [put('two', 'two-lines-of\nkey-and-more'), 'is no key'],
      [put('json', '{"claudeAiOauth":{}}'), 'is no key'],
      [put('binary', '\0\x01\x02\xff'.repeat(10)), 'is no key'],
      [put('long', 'x'.repeat(5000)), 'is no key'],
    ];
    for (const [path, why] of wrong) {
      const found = await read(file(path));
      expect(found).toMatchObject({
        kind: 'absent',
        why: expect.stringContaining(why),
        remedy: expect.stringMatching(/./),
      });
      expect(JSON.stringify(found)).not.toContain('two-lines-of');
    }
  });

  it.skipIf(process.getuid?.() !== 0)('of another user is refused', async () => {
    const path = put('key', key);
    chownSync(path, 12345, 12345);
    expect(await read(file(path))).toMatchObject({
      kind: 'absent',
      why: expect.stringContaining('another user (12345)'),
    });
  });
});

describe('the fleet’s own file', () => {
  it('is written for its owner alone, read by either name, and removed', async () => {
    await keepInFile(paths(), 'anthropic', token);
    const path = ownFile(paths(), 'anthropic');
    expect([statSync(path).mode & 0o777, statSync(paths().keys).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(ownSource('anthropic', token).from).toBe('setup-token');
    expect(ownSource('openai', key).from).toBe('file');
    for (const from of ['file', 'setup-token'] as const)
      expect(await read(defaultSource('anthropic', from))).toMatchObject({ key: token, isSubscription: true });
    chmodSync(path, 0o644);
    for (const from of ['file', 'setup-token'] as const)
      expect(await read(defaultSource('anthropic', from))).toMatchObject({ remedy: `chmod 600 ${path}` });
    await forget({ ...deps(), paths: paths() }, 'anthropic', { inKeychain: false });
    expect(await read(defaultSource('anthropic', 'file'))).toMatchObject({
      kind: 'absent',
      remedy: 'ralph-fleet credential set anthropic',
    });
  });

  it('without it a token of `claude setup-token` is in the variable', async () => {
    const source = defaultSource('anthropic', 'setup-token');
    expect(await read(source)).toMatchObject({
      kind: 'absent',
      why: expect.stringContaining('$CLAUDE_CODE_OAUTH_TOKEN'),
      remedy: expect.stringContaining('claude setup-token'),
    });
    variables['CLAUDE_CODE_OAUTH_TOKEN'] = token;
    expect(await read(source)).toMatchObject({ key: token, isSubscription: true });
  });

  it.each(['', 'short', 'two words in it', '{"claudeAiOauth":{"accessToken":"x"}}', 'sk-ant-ort01-a-refresh-token'])(
    'is given nothing that is no key: %j',
    (text) => {
      expect(() => readGiven(text)).toThrow(expect.objectContaining({ code: 'usage' }));
      expect(() => readGiven(text)).not.toThrow(/two words|sk-ant-ort01-a/);
    },
  );
});

describe('the login of Claude Code', () => {
  const source = defaultSource('anthropic', 'claude-login');
  const login = (oauth: unknown) => {
    mkdirSync(join(folder, '.claude'), { recursive: true });
    put(
      '.claude/.credentials.json',
      typeof oauth === 'string' ? oauth : JSON.stringify({ claudeAiOauth: oauth, other: [1] }),
    );
  };
  const whole = { accessToken: token, refreshToken: 'sk-ant-ort01-never-to-be-read', scopes: ['user:inference'] };

  it('gives its token and its end, and nothing of what renews it', async () => {
    for (const expiresAt of [0, 1_800_000_000_000, 253_402_300_799_000, null]) {
      login({ ...whole, expiresAt });
      const found = await read(source);
      expect(found).toEqual({ kind: 'there', key: token, isSubscription: true, expiresAt });
      expect(JSON.stringify(found)).not.toContain('ort01');
    }
    const before = readFileSync(join(folder, '.claude/.credentials.json'), 'utf8');
    await read(source);
    expect(readFileSync(join(folder, '.claude/.credentials.json'), 'utf8')).toBe(before);
  });

  it('is unclear, not gone, while it is half written or strange', async () => {
    const text = JSON.stringify({ claudeAiOauth: { ...whole, expiresAt: 5 } });
    for (let cut = 0; cut < text.length; cut += 7) {
      login(text.slice(0, cut));
      expect((await read(source)).kind).toBe('unclear');
    }
    for (const strange of [
      { ...whole, accessToken: 7 },
      { ...whole, accessToken: 'a b' },
      { ...whole, expiresAt: 'soon' },
      { ...whole, expiresAt: [1] },
      {},
      null,
      'null',
      '[]',
      'no json',
    ]) {
      login(strange);
      expect(await read(source)).toMatchObject({ kind: 'unclear', remedy: expect.stringContaining('claude') });
    }
  });

  it('that is not there says how to log in; that others may read is refused', async () => {
    expect(await read(source)).toMatchObject({ kind: 'absent', remedy: 'claude /login' });
    login({ ...whole, expiresAt: 5 });
    chmodSync(join(folder, '.claude/.credentials.json'), 0o644);
    expect(await read(source)).toMatchObject({ kind: 'absent', remedy: expect.stringContaining('chmod 600') });
  });

  it('is in the keychain on macOS, under the user’s own name, and in the file where that holds none', async () => {
    tool(
      'security',
      `echo "$@" > ${folder}/asked; printf '%s' '${JSON.stringify({ claudeAiOauth: { ...whole, expiresAt: 9 } })}'`,
    );
    expect(await read(source, 'darwin')).toMatchObject({ key: token, expiresAt: 9 });
    expect(readFileSync(join(folder, 'asked'), 'utf8')).toBe(
      'find-generic-password -s Claude Code-credentials -a ada -w\n',
    );
    tool('security', 'exit 44');
    login({ ...whole, expiresAt: 8 });
    expect(await read(source, 'darwin')).toMatchObject({ expiresAt: 8 });
    tool('security', 'echo "security: User interaction is not allowed." >&2; exit 36');
    expect(await read(source, 'darwin')).toMatchObject({ kind: 'unclear', remedy: 'security unlock-keychain' });
  });
});

describe('the keychain', () => {
  const source = defaultSource('anthropic', 'keychain');
  const lookup = (script: string, search = 'exit 0') =>
    tool('secret-tool', `case "$1" in lookup) ${script};; search) ${search};; esac`);

  it('gives its secret over stdout; asked by name', async () => {
    lookup(`echo "$@" > ${folder}/asked; printf %s '${key}'`);
    expect(await read(source)).toMatchObject({ kind: 'there', key });
    expect(readFileSync(join(folder, 'asked'), 'utf8')).toBe('lookup service ralph-fleet account anthropic\n');
  });

  it('tells what is not there from what is locked, broken or missing; never what it printed', async () => {
    expect(await read(source)).toMatchObject({
      kind: 'unclear',
      why: expect.stringContaining('there is no `secret-tool`'),
      remedy: expect.stringContaining('libsecret-tools'),
    });
    lookup('exit 1');
    expect(await read(source)).toMatchObject({
      kind: 'absent',
      remedy: 'ralph-fleet credential set anthropic --keychain',
    });
    lookup('exit 1', 'echo "secret-tool: Cannot get secret of a locked object" >&2; echo "[/1]"; exit 0');
    expect(await read(source)).toMatchObject({ kind: 'unclear', why: 'the keychain is locked' });
    lookup('echo "secret-tool: Cannot autolaunch D-Bus without X11 \\$DISPLAY" >&2; exit 1');
    expect(await read(source)).toMatchObject({
      kind: 'unclear',
      why: expect.stringContaining('Cannot autolaunch D-Bus'),
    });
    lookup(`printf %s '${key}'; exit 3`);
    const failed = await read(source);
    expect(failed.kind).not.toBe('there');
    expect(JSON.stringify(failed)).not.toContain(key);
    lookup('printf "\\000\\001 garbage and more of it"');
    expect(await read(source)).toMatchObject({ kind: 'absent', why: expect.stringContaining('is no key') });
    lookup('head -c 1000000 /dev/zero');
    expect(await read(source)).toMatchObject({ kind: 'unclear', why: expect.stringContaining('more than a secret') });
  });

  it('that hangs is given up', async () => {
    lookup('exec sleep 600');
    const slow = deps();
    const soon: SourceDeps = { ...slow, exec: (argv, options) => slow.exec(argv, { ...options, timeoutMs: 300 }) };
    expect(await openSource('anthropic', source, soon).read()).toMatchObject({
      kind: 'unclear',
      why: expect.stringContaining('did not answer'),
    });
  });

  it('is given a secret by stdin, never by an argument', async () => {
    tool('secret-tool', `echo "$@" > ${folder}/argv; cat > ${folder}/stdin`);
    expect(await keepInKeychain(deps(), 'anthropic', key)).toEqual(source);
    expect(readFileSync(join(folder, 'argv'), 'utf8')).toBe(
      'store --label=ralph-fleet: anthropic service ralph-fleet account anthropic\n',
    );
    expect(readFileSync(join(folder, 'stdin'), 'utf8')).toBe(key);
    tool('security', `echo "$@" > ${folder}/argv; cat > ${folder}/stdin`);
    await keepInKeychain(deps('darwin'), 'anthropic', key);
    expect(readFileSync(join(folder, 'argv'), 'utf8')).toBe('-i\n');
    expect(readFileSync(join(folder, 'stdin'), 'utf8')).toContain(`-X ${Buffer.from(key).toString('hex')}`);
    tool('secret-tool', 'echo "secret-tool: Cannot create an item in a locked collection" >&2; exit 1');
    await expect(keepInKeychain(deps(), 'anthropic', key)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('locked collection'),
    });
  });
});

describe('what people chose', () => {
  it('is kept over restarts, stands over fleet.yaml, and is nothing where the file is broken', async () => {
    mkdirSync(paths().state, { recursive: true });
    const config = { credentials: { anthropic: defaultSource('anthropic', 'claude-login') } };
    expect(wantedSource('anthropic', config, await readChoices(paths()))).toEqual({ from: 'claude-login', path: null });
    expect(wantedSource('openai', config, {})).toEqual({ from: 'env', name: 'OPENAI_API_KEY' });
    await keepChoices(paths(), { anthropic: { source: { from: 'none' }, at: 5, by: 'ada' } });
    expect(wantedSource('anthropic', config, await readChoices(paths()))).toEqual({ from: 'none' });
    for (const broken of ['', '{', '{"anthropic": {"source": {"from": "vault"}}}', '[]']) {
      writeFileSync(join(paths().state, 'credentials.json'), broken);
      expect(await readChoices(paths())).toEqual({});
    }
  });
});
