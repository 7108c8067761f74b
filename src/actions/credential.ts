import {
  type CredentialChoices,
  type CredentialSource,
  defaultSource,
  isSameSource,
  type Provider,
  saySource,
} from '../domain/credential.ts';
import { FleetError } from '../lib/errors.ts';
import type { ActionDeps } from './deps.ts';

/** What people chose over fleet.yaml; kept over restarts. */
export interface Choices {
  get(): CredentialChoices;
  set(choices: CredentialChoices): Promise<void>;
}

export interface CredentialUse {
  provider: Provider;
  /** Null = as before, looked at anew. */
  source: CredentialSource | null;
  /** Back to what fleet.yaml says. */
  reset: boolean;
  by: string;
}

/** From now on a provider's credential comes from there. The gateway hears of it next; nothing is restarted. */
export async function useCredential(
  { store, clock, config, choices }: Pick<ActionDeps, 'store' | 'clock' | 'config'> & { choices: Choices },
  { provider, source, reset, by }: CredentialUse,
): Promise<{ message: string; changed: boolean }> {
  if (reset && source !== null) {
    throw new FleetError('usage', 'A source and the one of fleet.yaml were asked for at once.', {
      remedy: `ralph-fleet credential use ${provider} --reset`,
    });
  }
  if (source !== null) refuseStrange(provider, source);
  const before = choices.get();
  const files = config().credentials[provider] ?? defaultSource(provider);
  const present = before[provider]?.source ?? files;
  const wanted = reset ? files : (source ?? present);
  const { [provider]: _, ...others } = before;
  const isChosen = !reset && (before[provider] !== undefined || !isSameSource(wanted, files));
  if (isChosen || before[provider] !== undefined)
    await choices.set(isChosen ? { ...others, [provider]: { source: wanted, at: clock.now(), by } } : others);
  const changed = !isSameSource(wanted, present);
  const said =
    wanted.from === 'none'
      ? `The fleet has no credential of ${provider} any more.`
      : `The credential of ${provider} comes from ${saySource(wanted)}.`;
  if (changed) store.tx(() => void store.events.add('credential.use', 'fleet', `${said} (${by})`));
  return { message: changed ? said : `${said} It is looked at anew.`, changed };
}

function refuseStrange(provider: Provider, { from }: CredentialSource): void {
  if (provider === 'anthropic' || (from !== 'setup-token' && from !== 'claude-login')) return;
  throw new FleetError('usage', `\`${from}\` is a source that only anthropic has.`, {
    remedy: `ralph-fleet credential set ${provider}`,
  });
}
