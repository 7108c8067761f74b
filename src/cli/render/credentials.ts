import type { CredentialView } from '../../contract/credentials.ts';
import { clean } from './cell.ts';
import { since } from './figures.ts';
import { type Look, mark } from './look.ts';

/** One line for each provider; below it what is wrong and what mends it. */
export function renderCredentials(views: readonly CredentialView[], look: Look): string[] {
  return views.flatMap((view) => [line(view, look), ...trouble(view)]);
}

function line(view: CredentialView, look: Look): string {
  const { provider, state, kind, source, fingerprint, chosenBy, needed } = view;
  const sign = state === 'present' ? mark(look, 'ok') : mark(look, needed && state !== 'unknown' ? 'fail' : 'skip');
  const when = view.since === null ? '' : ` (${since(view.since, look.now)})`;
  const parts = [
    `from ${clean(source)}`,
    ...(kind === 'subscription' ? ['a subscription, dollars are imputed'] : []),
    ...(fingerprint === null ? [] : [`#${fingerprint.slice(0, 8)}`]),
    chosenBy === 'fleet.yaml' ? 'as fleet.yaml says' : `chosen by ${clean(chosenBy)}`,
    ...(needed ? [] : ['no agent needs it']),
  ];
  return `${sign} ${provider.padEnd(10)}${state}${when}  ${parts.join('; ')}`;
}

function trouble({ state, why, remedy, needed, from }: CredentialView): string[] {
  const isNews = why !== null && (needed || state === 'present' || from === 'none');
  const stale =
    from === 'env' && state === 'present'
      ? ['    the variable as it was when the gateway started; a new value in a shell is not seen']
      : [];
  if (!isNews) return stale;
  return [`    ${clean(why)}`, ...(remedy === null ? [] : [`    ${clean(remedy)}`]), ...stale];
}
