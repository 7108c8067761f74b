import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeFolders } from '../../src/daemon/folders.ts';
import { createCredential } from '../../src/gateway/credentials.ts';
import { noAmounts, openLedger } from '../../src/gateway/ledger.ts';
import { startGateway } from '../../src/gateway/start.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { acquireLock } from '../../src/lib/lock.ts';
import { createLog, createSilentLog } from '../../src/lib/log.ts';
import { grantFor, statePaths, until } from '../support/gateway-process.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rf-gwp-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const who = { grant: 'g1', project: 'p1', task: 'T1', ralph: 'r1', iteration: 'i1' };
const end = { at: 5, status: 200, refused: null, retryAt: null };
const spent = {
  ...noAmounts('m'),
  inputTokens: 10,
  cacheWriteTokens: 5,
  cacheReadTokens: 100,
  outputTokens: 1,
  usd: 0.5,
};

describe('the ledger', () => {
  const open = () => openLedger(join(folder, 'gas.db'), () => 9);

  it('settles a call once, and at the next start what was left open', () => {
    const first = open();
    const call = first.openCall(who, 1, 'm');
    expect(first.settle(call, end, spent)).toMatchObject({ seq: 1, ...who, ...spent, ...end });
    expect(first.settle(call, end, spent)).toBeNull();
    first.noteCall(first.openCall(who, 2, 'm'), { ...spent, usd: 0.25 });
    first.close();
    const second = open();
    const { settlements, last } = second.settlements(1, 10);
    expect(last).toBe(2);
    expect(settlements).toMatchObject([{ seq: 2, at: 9, status: 0, refused: 'upstream', usd: 0.25, inputTokens: 10 }]);
    expect(second.spendOf('T1')).toEqual({ tokens: 32, usd: 0.75, calls: 2 });
    second.close();
  });

  it('keeps grants, limits and tunnels, and settlements as they are', () => {
    const first = open();
    first.putGrant('g1', grantFor('t', { expiresAt: 100 }));
    first.putLimit('T1', { maxTokens: 5, maxUsd: null, maxCalls: null });
    const tunnel = {
      endpoint: { kind: 'unix' as const, path: '/x' },
      hostKey: 'ssh-ed25519 AAAA',
      privateKeyFile: '/k',
    };
    first.putTunnel('vm1', tunnel);
    first.settleRefusal(who, { ...end, status: 402, refused: 'tokens' });
    first.close();
    const second = open();
    expect(second.findGrant(grantFor('t').tokenHash)).toMatchObject({ id: 'g1', vm: 'vm1', expiresAt: 100 });
    expect(second.endGrant('g1', 50)).toBe(true);
    expect(second.findGrant(grantFor('t').tokenHash)?.expiresAt).toBe(50);
    expect(second.limitOf('T1')).toEqual({ maxTokens: 5, maxUsd: null, maxCalls: null });
    expect(second.tunnels()).toEqual([{ vm: 'vm1', tunnel }]);
    expect(second.spendOf('T1')).toEqual({ tokens: 0, usd: 0, calls: 0 });
    second.close();
    const raw = new DatabaseSync(join(folder, 'gas.db'));
    expect(() => raw.exec('UPDATE settlements SET usd = 0')).toThrow('append only');
    expect(() => raw.exec('DELETE FROM settlements')).toThrow('append only');
    raw.close();
  });

  it('of the version before is brought up to date with its limits', () => {
    const first = open();
    first.putLimit('T1', { maxTokens: 5, maxUsd: 1, maxCalls: 7 });
    first.close();
    const db = new DatabaseSync(join(folder, 'gas.db'));
    db.exec('ALTER TABLE limits DROP COLUMN max_calls; PRAGMA user_version = 1');
    db.close();
    const second = open();
    expect(second.limitOf('T1')).toEqual({ maxTokens: 5, maxUsd: 1, maxCalls: null });
    second.putLimit('T1', { maxTokens: 5, maxUsd: 1, maxCalls: 7 });
    expect(second.limitOf('T1')?.maxCalls).toBe(7);
    second.close();
  });

  it('refuses a newer ledger, and what is no ledger', () => {
    open().close();
    const raw = new DatabaseSync(join(folder, 'gas.db'));
    raw.exec('PRAGMA user_version = 99');
    raw.close();
    expect(open).toThrow(
      expect.objectContaining({ code: 'newer_state', message: expect.stringContaining('version 99') }),
    );
    writeFileSync(join(folder, 'gas.db'), 'x'.repeat(5000));
    expect(open).toThrow(expect.objectContaining({ code: 'storage' }));
  });
});

describe('the lock', () => {
  it('is held by one, in the same process too, and free after release', async () => {
    const path = join(folder, 'x.lock');
    const lock = await acquireLock(path, 'test');
    const refused = { code: 'already_running', message: expect.stringContaining(`process ${process.pid} holds`) };
    await expect(acquireLock(path, 'test')).rejects.toMatchObject(refused);
    await lock.release();
    await (await acquireLock(path, 'test')).release();
    await expect(acquireLock(join(folder, 'no', 'x.lock'), 'test')).rejects.toMatchObject({ code: 'storage' });
  });

  it('ends with its process, however that ends', async () => {
    const path = join(folder, 'x.lock');
    const script = `import('${join(process.cwd(), 'src/lib/lock.ts')}').then(async (m) => {
      await m.acquireLock(${JSON.stringify(path)}, 'test'); console.log('held'); setInterval(() => {}, 1000); })`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await expect(acquireLock(path, 'test')).rejects.toMatchObject({ code: 'already_running' });
    } finally {
      child.kill('SIGKILL');
    }
    const lock = await until('lock is free', () => acquireLock(path, 'test').catch(() => null));
    await lock.release();
  });
});

describe('the credential', () => {
  it('is read from a file, again when that changes, and never logged', async () => {
    const path = join(folder, 'key');
    let logged = '';
    const log = createLog({ destination: { write: (line) => (logged += line) } });
    const credential = createCredential({ from: 'file', path }, () => log);
    expect(await credential.read()).toBeNull();
    const write = (text: string, second: number) => {
      writeFileSync(path, text);
      utimesSync(path, second, second);
    };
    write('  key-number-1\n', 1);
    expect(await credential.read()).toBe('key-number-1');
    write('key-number-2', 2);
    expect(await credential.read()).toBe('key-number-2');
    expect(credential.hide('a key-number-1 b key-number-2')).toBe('a [redacted] b [redacted]');
    for (const [at, bad] of ['', 'short', 'with blank inside', 'two\nlines-of-key', 'x'.repeat(100_000)].entries()) {
      write(bad, 10 + at);
      expect(await credential.read()).toBeNull();
    }
    expect(logged).toContain('no usable credential');
    expect(logged).not.toMatch(/key-number|lines-of-key/);
  });

  it('is missing when the environment has none', async () => {
    expect(await createCredential({ from: 'env', value: undefined }, createSilentLog).read()).toBeNull();
    expect(await createCredential({ from: 'env', value: 'key-number-3' }, createSilentLog).read()).toBe('key-number-3');
  });
});

describe('starting', () => {
  const start = (upstream: string) =>
    startGateway({
      ...{
        paths: statePaths(folder),
        log: createSilentLog(),
        clock: createSystemClock(),
        guestSocket: '/run/x.sock',
        upstream,
      },
      credential: createCredential({ from: 'env', value: undefined }, createSilentLog),
    });

  it.each([
    'http://api.anthropic.com',
    'http://127.0.0.1.evil.example',
    'ftp://127.0.0.1',
    'nonsense',
    'https://u:p@x.example',
  ])('refuses to send the credential to %s', async (upstream) => {
    await expect(start(upstream)).rejects.toMatchObject({ code: 'usage' });
  });

  it('leaves nothing locked when the ledger cannot be opened', async () => {
    await makeFolders(statePaths(folder));
    const gateway = await start('https://model.example');
    await gateway.close(0);
    const raw = new DatabaseSync(statePaths(folder).gasDb);
    raw.exec('PRAGMA user_version = 99');
    raw.close();
    await expect(start('https://model.example')).rejects.toMatchObject({ code: 'newer_state' });
    await expect(start('https://model.example')).rejects.toMatchObject({ code: 'newer_state' });
  });
});
