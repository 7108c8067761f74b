import { type Choices, type CredentialUse, useCredential } from '../actions/credential.ts';
import type { ActionDeps } from '../actions/deps.ts';
import { createAgent } from '../agents/registry.ts';
import type { CredentialView } from '../contract/credentials.ts';
import { keepChoices, readChoices, wantedSource } from '../credentials/choices.ts';
import { type Provider, providers, variableOf } from '../domain/credential.ts';
import type { Paths } from '../lib/paths.ts';
import { createTurns } from '../lib/turns.ts';
import { credentialViews } from '../queries/credential-view.ts';
import type { CredentialWish, GatewayProcess } from './gateway-process.ts';

/** Choices in memory, kept in their file. */
export async function openChoices(paths: Paths): Promise<Choices> {
  let choices = await readChoices(paths);
  return {
    get: () => choices,
    async set(next) {
      await keepChoices(paths, next);
      choices = next;
    },
  };
}

export function wishes({ config, choices }: Pick<ActionDeps, 'config'> & { choices: Choices }): CredentialWish[] {
  return providers.map((provider) => ({ provider, source: wantedSource(provider, config(), choices.get()) }));
}

/** Credentials that stand in the environment: hidden should one ever get into a log. */
export function secretsIn(env: Record<string, string | undefined>, wanted: readonly CredentialWish[]): string[] {
  const values = wanted.flatMap(({ source }) => variableOf(source)).map((name) => env[name] ?? '');
  return values.filter((value) => value.length >= 8);
}

export interface Credentials {
  view(): Promise<CredentialView[]>;
  use(wish: CredentialUse): Promise<{ message: string; changed: boolean; credential: CredentialView }>;
}

export function createCredentials(
  deps: ActionDeps & { choices: Choices; gateway: Pick<GatewayProcess, 'credentials'> },
): Credentials {
  const { store, config, choices, gateway } = deps;
  const inTurn = createTurns();

  async function viewAfter(again: Provider | null): Promise<CredentialView[]> {
    const looks = await gateway.credentials(again).catch(() => null);
    const agents = new Set([config().agent.cli, ...store.alive.tasks.rows().map((task) => task.agent)]);
    const needed = new Set([...agents].flatMap((name) => createAgent(name).provider ?? []));
    const [anthropic, openai] = providers.map((provider) => wantedSource(provider, config(), choices.get()));
    if (anthropic === undefined || openai === undefined) return [];
    return credentialViews({ looks, wanted: { anthropic, openai }, choices: choices.get(), needed });
  }

  return {
    view: () => viewAfter(null),
    use: (wish) =>
      inTurn(async () => {
        const done = await useCredential(deps, wish);
        const [credential] = (await viewAfter(wish.provider)).filter(({ provider }) => provider === wish.provider);
        if (credential === undefined) throw new Error(wish.provider);
        return { ...done, credential };
      }),
  };
}
