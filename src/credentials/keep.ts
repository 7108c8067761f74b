import { mkdir, rm } from 'node:fs/promises';
import { type CredentialSource, defaultSource, type Provider, setupTokenVariable } from '../domain/credential.ts';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { FleetError } from '../lib/errors.ts';
import type { Paths } from '../lib/paths.ts';
import { isOauthToken, keyOf } from './found.ts';
import { createKeychain, type KeychainDeps } from './keychain.ts';
import { ownFile } from './sources.ts';

/** What a person gave, checked as far as it can be without its provider. */
export function readGiven(text: string): string {
  const key = keyOf(text);
  if (key === null) {
    throw new FleetError('usage', 'What was given is no key: one is a single word of at least 8 plain characters.', {
      remedy: 'Give the key or token and nothing else.',
    });
  }
  if (/^sk-ant-ort/.test(key)) {
    throw new FleetError('usage', 'What was given is a refresh token: whoever uses it logs its owner out.', {
      remedy:
        'Make a token of its own: claude setup-token   or use the login: ralph-fleet credential use anthropic claude-login',
    });
  }
  return key;
}

/** The source that what is kept in the fleet's own file is read as. */
export function ownSource(provider: Provider, key: string): CredentialSource {
  const isToken = provider === 'anthropic' && isOauthToken(key);
  return isToken ? { from: 'setup-token', name: setupTokenVariable } : { from: 'file', path: null };
}

/** 0600, whole or not at all. */
export async function keepInFile(paths: Pick<Paths, 'keys'>, provider: Provider, key: string): Promise<string> {
  const path = ownFile(paths, provider);
  await mkdir(paths.keys, { recursive: true, mode: 0o700 });
  await writeFileAtomic(path, `${key}\n`, 0o600);
  return path;
}

export async function keepInKeychain(deps: KeychainDeps, provider: Provider, key: string): Promise<CredentialSource> {
  const source = defaultSource(provider, 'keychain');
  if (source.from !== 'keychain') return source;
  const failure = await createKeychain(deps).store(source, key);
  if (failure === null) return source;
  throw new FleetError('refused', `The keychain did not take it: ${failure.why}.`, { remedy: failure.remedy });
}

/** Removes what the fleet itself keeps; what it may not touch stays where it is. */
export async function forget(
  deps: KeychainDeps & { paths: Pick<Paths, 'keys'> },
  provider: Provider,
  { inKeychain }: { inKeychain: boolean },
): Promise<void> {
  await rm(ownFile(deps.paths, provider), { force: true });
  const source = defaultSource(provider, 'keychain');
  if (!inKeychain || source.from !== 'keychain') return;
  const failure = await createKeychain(deps).clear(source);
  if (failure !== null)
    throw new FleetError('refused', `The fleet uses it no more, but the keychain still holds it: ${failure.why}.`, {
      remedy: failure.remedy,
    });
}
