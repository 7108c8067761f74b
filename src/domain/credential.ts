/** Providers of models whose APIs the gateway speaks. */
export const providers = ['anthropic', 'openai'] as const;
export type Provider = (typeof providers)[number];

/**
 * Where a provider's credential comes from on the host; never its value. `file` without a path and `setup-token` are the file
 * that `credential set` writes; `none`: a person took it away.
 */
export type CredentialSource =
  | { from: 'env'; name: string }
  | { from: 'file'; path: string | null }
  | { from: 'keychain'; service: string; account: string }
  | { from: 'setup-token'; name: string }
  | { from: 'claude-login'; path: string | null }
  | { from: 'none' };
export type CredentialKind = CredentialSource['from'];

/** What people chose over fleet.yaml. */
export type CredentialChoices = Partial<Record<Provider, { source: CredentialSource; at: number; by: string }>>;

/** `refused`: the provider does not take it. */
export const credentialStates = ['present', 'missing', 'expired', 'refused'] as const;
export type CredentialState = (typeof credentialStates)[number];

/** How a credential stands, as the gateway sees it. */
export interface CredentialLook {
  provider: Provider;
  source: CredentialSource;
  state: CredentialState;
  /** A subscription's dollars are imputed: price times tokens. Null while there is none. */
  kind: 'key' | 'subscription' | null;
  /** The first digits of its hash: tells one from another, and tells nothing else. */
  fingerprint: string | null;
  /** Since when it stands so, ms since the epoch. */
  since: number;
  /** What is wrong and what mends it; null while nothing is. */
  why: string | null;
  remedy: string | null;
}

const keyVariables: Readonly<Record<Provider, string>> = { anthropic: 'ANTHROPIC_API_KEY', openai: 'OPENAI_API_KEY' };
const keychainService = 'ralph-fleet';

/** Where a token of `claude setup-token` is looked for when the fleet has no file of its own. */
export const setupTokenVariable = 'CLAUDE_CODE_OAUTH_TOKEN';

/** What is meant where a person leaves the details out. */
export function defaultSource(provider: Provider, from: CredentialKind = 'env'): CredentialSource {
  switch (from) {
    case 'env':
      return { from, name: keyVariables[provider] };
    case 'keychain':
      return { from, service: keychainService, account: provider };
    case 'setup-token':
      return { from, name: setupTokenVariable };
    case 'file':
    case 'claude-login':
      return { from, path: null };
    case 'none':
      return { from };
  }
}

/** The environment variable it may come from, if any. */
export function variableOf(source: CredentialSource): string[] {
  return source.from === 'env' || source.from === 'setup-token' ? [source.name] : [];
}

export function isSameSource(one: CredentialSource, other: CredentialSource): boolean {
  return saySource(one) === saySource(other);
}

/** For people, and for telling one from another. */
export function saySource(source: CredentialSource): string {
  switch (source.from) {
    case 'env':
      return `$${source.name}`;
    case 'file':
      return source.path === null ? "the fleet's own file" : `the file \`${source.path}\``;
    case 'keychain':
      return `the keychain (service \`${source.service}\`, account \`${source.account}\`)`;
    case 'setup-token':
      return `the token of \`claude setup-token\` (the fleet's own file, else $${source.name})`;
    case 'claude-login':
      return source.path === null ? 'the Claude login' : `the Claude login in \`${source.path}\``;
    case 'none':
      return 'nowhere: it was taken away with `ralph-fleet credential clear`';
  }
}

/** What keeps an agent from calling its model, and what to do; null when nothing is known to. */
export function sayCredential(look: CredentialLook): string | null {
  if (look.state === 'present') return null;
  const remedy = look.remedy === null ? '' : `; ${look.remedy}`;
  return `the credential of ${look.provider} is ${look.state}: ${look.why ?? saySource(look.source)}${remedy}`;
}

/** A credential that an agent needs and that is none, as a problem people should see. */
export function credentialProblems(looks: Iterable<CredentialLook>) {
  const wrong = new Map([...looks].filter(({ state }) => state !== 'present').map((look) => [look.provider, look]));
  return [...wrong.values()].map(({ provider, state, source, since, why, remedy }) => ({
    id: `${credentialProblem}${provider}`,
    what: `no agent can call ${provider}: its credential is ${state}: ${why ?? saySource(source)}`,
    since,
    remedy: remedy ?? 'ralph-fleet credential show',
    vm: null,
    severity: 'error' as const,
  }));
}
export const credentialProblem = 'credential:';
