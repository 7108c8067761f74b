import { describe, expect, it } from 'vitest';
import { absent, type Found, found, unclear } from '../../credentials/found.ts';
import type { CredentialSource } from '../../domain/credential.ts';
import { createLog } from '../../lib/log.ts';
import { createCredential, fingerprintOf } from './credential.ts';

const from: CredentialSource = { from: 'file', path: '/k' };
const other: CredentialSource = { from: 'file', path: '/other' };

function scene() {
  const it = { now: 1_000_000, reads: 0, logged: '', holds: new Map<unknown, Found>([['/k', found('key-number-1')]]) };
  const log = createLog({ destination: { write: (line) => (it.logged += line) } });
  const clock = { now: () => it.now, sleep: async () => {}, after: () => () => {} };
  const open = (source: CredentialSource) => ({
    read: async () => {
      it.reads += 1;
      return it.holds.get(source.from === 'file' ? source.path : null) ?? absent('nothing there', 'put it there');
    },
    freshMs: 1000,
    graceMs: 60_000,
  });
  return { it, credential: createCredential({ provider: 'anthropic', open, clock, log: () => log }, from) };
}

describe('a credential', () => {
  it('is read at most once a second, and at once where that is fresh', async () => {
    const { it, credential } = scene();
    expect(await Promise.all([credential.take(), credential.take()])).toMatchObject([
      { key: 'key-number-1' },
      { ok: true },
    ]);
    expect(credential.take()).toMatchObject({
      ok: true,
      key: 'key-number-1',
      fingerprint: fingerprintOf('key-number-1'),
    });
    it.now += 1000;
    expect(credential.take()).toMatchObject({ ok: true });
    expect(it.reads).toBe(1);
    it.now += 1;
    it.holds.set('/k', found('key-number-2'));
    expect(await credential.take()).toMatchObject({ key: 'key-number-2' });
    expect(credential.hide('key-number-1, key-number-2')).toBe('[redacted], [redacted]');
    expect(it.logged).not.toContain('key-number');
  });

  it('that was taken away is refused; that cannot be told now stays a while', async () => {
    const { it, credential } = scene();
    await credential.take();
    it.holds.set('/k', unclear('half of it', 'wait'));
    it.now += 50_000;
    expect(await credential.take()).toMatchObject({ ok: true, key: 'key-number-1' });
    it.now += 50_000;
    expect(await credential.take()).toMatchObject({ ok: true });
    it.now += 50_000;
    expect(await credential.take()).toMatchObject({
      ok: false,
      look: { state: 'missing', why: 'half of it', remedy: 'wait', since: it.now },
    });
    const since = it.now;
    it.now += 5000;
    expect(await credential.look()).toMatchObject({ state: 'missing', since });
    it.holds.set('/k', found('key-number-1'));
    it.now += 5000;
    expect(await credential.look()).toMatchObject({ state: 'present', since: it.now });
    it.holds.delete('/k');
    it.now += 5000;
    expect(await credential.take()).toMatchObject({ ok: false, look: { state: 'missing', why: 'nothing there' } });
  });

  it('expires at its time, also while it is fresh', async () => {
    const { it, credential } = scene();
    it.holds.set('/k', found('token-of-a-login', { isSubscription: true, expiresAt: it.now + 500 }));
    expect(await credential.take()).toMatchObject({ ok: true, isSubscription: true });
    it.now += 500;
    expect(credential.take()).toMatchObject({
      ok: false,
      look: { state: 'expired', since: it.now, kind: 'subscription' },
    });
    it.holds.set('/k', found('token-of-a-login', { isSubscription: true, expiresAt: 253_402_300_799_000 }));
    it.now += 2000;
    expect(await credential.take()).toMatchObject({ ok: true });
  });

  it('that its provider turned down is not used again, until it is another one or a person says so', async () => {
    const { it, credential } = scene();
    const first = await credential.take();
    credential.turnDown(first.ok ? first.fingerprint : '', 401);
    expect(credential.take()).toMatchObject({
      ok: false,
      look: { state: 'refused', since: it.now, why: expect.stringContaining('401') },
    });
    credential.use(from);
    expect(await credential.take()).toMatchObject({ ok: false });
    it.holds.set('/k', found('key-number-2'));
    it.now += 2000;
    expect(await credential.take()).toMatchObject({ ok: true });
    // A late answer to a call of the first says nothing of the second.
    credential.turnDown(first.ok ? first.fingerprint : '', 401);
    expect(credential.take()).toMatchObject({ ok: true });
    it.holds.set('/k', found('key-number-1'));
    it.now += 2000;
    expect(await credential.take()).toMatchObject({ ok: false });
    credential.use(from, true);
    expect(await credential.take()).toMatchObject({ ok: true, key: 'key-number-1' });
  });

  it('comes from another source at once, also while the first one is read', async () => {
    const { it, credential } = scene();
    it.holds.set('/other', found('key-number-2'));
    const taken = credential.take();
    credential.use(other);
    expect(await taken).toMatchObject({ key: 'key-number-2' });
    credential.use({ from: 'none' });
    expect(await credential.take()).toMatchObject({ ok: false, look: { state: 'missing' } });
  });
});
