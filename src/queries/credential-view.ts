import type { CredentialView } from '../contract/credentials.ts';
import {
  type CredentialChoices,
  type CredentialLook,
  type CredentialSource,
  type Provider,
  providers,
  saySource,
} from '../domain/credential.ts';
import { toIso } from '../lib/clock.ts';

/** Every provider's credential; of one that no agent of the fleet needs only what is known. */
export function credentialViews(known: {
  /** Null while the gateway cannot be asked. */
  looks: readonly CredentialLook[] | null;
  wanted: Readonly<Record<Provider, CredentialSource>>;
  choices: CredentialChoices;
  needed: ReadonlySet<Provider>;
}): CredentialView[] {
  return providers.map((provider) => {
    const look = known.looks?.find((it) => it.provider === provider) ?? null;
    const source = look?.source ?? known.wanted[provider];
    return {
      provider,
      state: look?.state ?? 'unknown',
      kind: look?.kind ?? null,
      source: saySource(source),
      from: source.from,
      fingerprint: look?.fingerprint ?? null,
      since: look === null ? null : toIso(look.since),
      why: look === null ? 'the gateway, which would know, does not run' : look.why,
      remedy: look === null ? 'ralph-fleet doctor   (or `ralph-fleet up`, which starts it)' : look.remedy,
      chosenBy: known.choices[provider]?.by ?? 'fleet.yaml',
      needed: known.needed.has(provider),
    };
  });
}
