import { absent, found } from '../../src/credentials/found.ts';
import { type Credential, createCredential } from '../../src/gateway/credentials/credential.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Log } from '../../src/lib/log.ts';

/** A credential that never changes, or none. */
export function credentialOf(key: string | null, { clock, log }: { clock: Clock; log: Log }): Credential {
  const read = async () => (key === null ? absent('there is none', 'nothing') : found(key));
  const open = () => ({ read, freshMs: Number.POSITIVE_INFINITY, graceMs: 0 });
  return createCredential({ provider: 'anthropic', open, clock, log: () => log }, { from: 'env', name: 'KEY' });
}
