import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeFolders } from '../../src/daemon/folders.ts';
import { nothing, openLedger } from '../../src/gateway/ledger/ledger.ts';
import { startGateway } from '../../src/gateway/start.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { acquireLock } from '../../src/lib/lock.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { credentialOf } from '../support/credential-of.ts';
import { grantFor, statePaths, until } from '../support/gateway-process.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rf-gwp-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const who = { grant: 'g1', project: 'p1', task: 'T1', ralph: 'r1', iteration: 'i1', role: 'implementer' as const };
const end = { at: 5, status: 200, refused: null, retryAt: null };
const spent = {
  ...nothing('m'),
  inputTokens: 10,
  cacheWriteTokens: 5,
  cacheReadTokens: 100,
  outputTokens: 1,
  usd: 0.5,
  counted: 'said' as const,
};
const need = { inputTokens: 30, outputTokens: 10, floorTokens: 10, usdBase: 0.5, usdPerOutputToken: 0.1 };
const reserving = { who, at: 1, model: 'm', priceKnown: true, need, heldMs: 7 };

describe('the ledger', () => {
  const open = (bootId = 'boot-1') => openLedger(join(folder, 'gas.db'), { now: () => 9, timeZone: 'UTC', bootId });
  const reserve = (ledger: ReturnType<typeof open>) => {
    const reserved = ledger.reserve(reserving);
    return reserved.kind === 'go' ? reserved.id : 0;
  };

  it('settles a call once, and at the next start what was left open, at its worst case', () => {
    const first = open();
    const id = reserve(first);
    expect(first.settle(id, end, spent)).toMatchObject({ seq: 1, ...who, ...spent, ...end, heldMs: 7 });
    expect(first.settle(id, end, spent)).toBeNull();
    first.reserve(reserving);
    expect(first.levels(['task:T1'], 5)[0]).toMatchObject({
      settled: { tokens: 16 },
      reserved: { tokens: 40, usd: 1.5, calls: 1 },
    });
    first.close();
    const second = open();
    const { settlements, last } = second.settlements(1, 10);
    expect(last).toBe(2);
    expect(settlements).toMatchObject([
      {
        seq: 2,
        at: 9,
        status: 0,
        refused: 'upstream',
        usd: 1.5,
        inputTokens: 30,
        outputTokens: 10,
        flags: ['unsettled'],
      },
    ]);
    expect(second.levels(['task:T1', 'fleet'], 9)).toMatchObject([
      { settled: { tokens: 56, usd: 2, calls: 2 }, reserved: { tokens: 0, usd: 0, calls: 0 } },
      { settled: { tokens: 56, usd: 2, calls: 2 } },
    ]);
    second.close();
  });

  it('keeps grants, budgets and tunnels, and settlements as they are', () => {
    const first = open();
    first.putGrant('g1', grantFor('t', { expiresAt: 100, role: 'reviewer' }));
    first.putBudgets([{ node: 'task:T1', per: 'day', runSince: 0, tokens: 5, usd: null, calls: 3, warnAt: 0.5 }]);
    const tunnel = {
      endpoint: { kind: 'unix' as const, path: '/x' },
      hostKey: 'ssh-ed25519 AAAA',
      privateKeyFile: '/k',
    };
    first.putTunnel('vm1', tunnel);
    const shortfall = { node: 'task:T1', unit: 'tokens', per: 'day', limit: 5, used: 1, needed: 9, until: 99 } as const;
    first.settleRefusal(who, { ...end, status: 402, refused: 'tokens' }, shortfall);
    first.close();
    const second = open();
    expect(second.findGrant(grantFor('t').tokenHash)).toMatchObject({
      id: 'g1',
      vm: 'vm1',
      expiresAt: 100,
      role: 'reviewer',
    });
    expect(second.endGrant('g1', 50)).toBe(true);
    expect(second.findGrant(grantFor('t').tokenHash)?.expiresAt).toBe(50);
    expect(second.settlements(0, 9).settlements).toMatchObject([{ refused: 'tokens', shortfall }]);
    expect(second.levels(['task:T1'], 9)).toMatchObject([
      { per: 'day', limit: { tokens: 5, usd: null, calls: 3 }, settled: { tokens: 0, usd: 0, calls: 0 } },
    ]);
    expect(second.tunnels()).toEqual([{ vm: 'vm1', tunnel }]);
    second.close();
    const raw = new DatabaseSync(join(folder, 'gas.db'));
    expect(() => raw.exec('UPDATE settlements SET usd = 0')).toThrow('append only');
    expect(() => raw.exec('DELETE FROM settlements')).toThrow('append only');
    raw.close();
  });

  it('warns of a level once in its period, and anew when its limit was changed', () => {
    const ledger = open();
    const budget = {
      node: 'task:T1',
      per: 'total',
      runSince: 0,
      tokens: 100,
      usd: null,
      calls: null,
      warnAt: 0.3,
    } as const;
    const warnings = () => ledger.settle(reserve(ledger), end, spent)?.warnings.map((it) => [it.used, it.limit]);
    ledger.putBudgets([budget]);
    expect([warnings(), warnings(), warnings()]).toEqual([[], [[32, 100]], []]);
    ledger.putBudgets([budget]);
    expect(warnings()).toEqual([]);
    ledger.putBudgets([{ ...budget, tokens: 240 }]);
    expect([warnings(), warnings()]).toEqual([[[80, 240]], []]);
    expect(ledger.spentBy('task:T1', 5)).toMatchObject({
      rows: [{ model: 'm', counted: 'said', calls: 6, tokens: 96, cacheReadTokens: 600, usd: 3 }],
      ...{ loweredCalls: 0, heldCalls: 6, heldMs: 42 },
    });
    ledger.close();
  });

  it('counts the advance of an iteration when the host went down, and not when only the gateway did', async () => {
    const first = open();
    const reserved = first.reserve(reserving);
    if (reserved.kind !== 'go') throw new Error(reserved.kind);
    await reserved.stored;
    first.settle(reserved.id, end, spent);
    first.close();
    const restarted = open('boot-1');
    expect(restarted.settlements(1, 9).settlements).toEqual([]);
    restarted.reserve(reserving);
    restarted.close();
    const rebooted = open('boot-2');
    expect(rebooted.settlements(1, 9).settlements).toMatchObject([
      { ...who, inputTokens: 30, outputTokens: 10, usd: 1.5, flags: ['unsettled'] },
      { ...who, inputTokens: 80, usd: 3, counted: 'worst', flags: ['power-cut'] },
    ]);
    rebooted.endGrant('g1', 9);
    rebooted.close();
    const again = open('boot-3');
    expect(again.settlements(3, 9).settlements).toEqual([]);
    expect(again.levels(['task:T1'], 9)).toMatchObject([{ settled: { calls: 4 } }]);
    again.close();
  });

  it('takes over the books of the version before it', () => {
    const raw = new DatabaseSync(join(folder, 'gas.db'));
    raw.exec(readFileSync('test/fixtures/gas-v1.sql', 'utf8'));
    raw.close();
    const ledger = open();
    const { settlements, last } = ledger.settlements(0, 10);
    expect(last).toBe(3);
    expect(settlements).toMatchObject([
      { seq: 1, task: 'T1', usd: 0.5, counted: 'said', role: 'implementer' },
      { seq: 2, refused: 'tokens', usd: 0 },
      { seq: 3, refused: 'upstream', inputTokens: 7, status: 0 },
    ]);
    expect(ledger.levels(['task:T1'], 99)).toMatchObject([
      { per: 'total', limit: { tokens: 40, usd: null, calls: null }, settled: { tokens: 24, usd: 0.75, calls: 2 } },
    ]);
    expect(ledger.findGrant('a'.repeat(64))).toMatchObject({ id: 'g1', role: 'implementer' });
    ledger.close();
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
      await m.acquireLock(${JSON.stringify(path)}, 'test');
      for (let n = 0; n < 5; n++) { gc(); await new Promise((done) => setTimeout(done, 10)); } // nobody holds it but the process
      console.log('held'); setInterval(() => {}, 1000); })`;
    const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], {
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

const none = credentialOf(null, { clock: createSystemClock(), log: createSilentLog() });

describe('starting', () => {
  const start = (upstream: string) =>
    startGateway({
      ...{
        paths: statePaths(folder),
        log: createSilentLog(),
        clock: createSystemClock(),
        guestSocket: '/run/x.sock',
        upstream: { anthropic: upstream, openai: 'https://model.example' },
        timeZone: 'UTC',
        bootId: 'b',
        program: '0',
        takeOver: false,
        atStep: () => {},
        hide: (text: string) => text,
      },
      credentials: { anthropic: none, openai: none },
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
