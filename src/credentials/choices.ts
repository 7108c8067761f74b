import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { credentialChoices } from '../contract/credentials.ts';
import { type CredentialChoices, type CredentialSource, defaultSource, type Provider } from '../domain/credential.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import type { Paths } from '../lib/paths.ts';

/**
 * What `credential use`, `set` and `clear` chose over fleet.yaml. Written by the daemon alone; a file, so that `up` and `doctor`
 * can look before a daemon runs. What is no such file is taken for nothing chosen.
 */
export async function readChoices(paths: Pick<Paths, 'state'>): Promise<CredentialChoices> {
  try {
    return credentialChoices.parse(JSON.parse(await readFile(fileOf(paths), 'utf8')));
  } catch {
    return {};
  }
}

export async function keepChoices(paths: Pick<Paths, 'state'>, choices: CredentialChoices): Promise<void> {
  await writeFileAtomic(fileOf(paths), `${JSON.stringify(choices, null, 2)}\n`);
}

function fileOf(paths: Pick<Paths, 'state'>): string {
  return join(paths.state, 'credentials.json');
}

/** Where a provider's credential is to come from. */
export function wantedSource(
  provider: Provider,
  config: Pick<FleetConfig, 'credentials'>,
  choices: CredentialChoices,
): CredentialSource {
  return choices[provider]?.source ?? config.credentials[provider] ?? defaultSource(provider);
}
