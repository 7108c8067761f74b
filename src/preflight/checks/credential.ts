import { saySource } from '../../domain/credential.ts';
import type { Finding, PreflightCheck } from '../preflight.ts';

/** As the running gateway sees it, which alone knows what the provider says; else as it would be found from here. */
export const credentialCheck: PreflightCheck = {
  id: 'credential',
  title: 'credential',
  why: 'agents call the model with your own account, through the gateway',
  deadlineMs: 30_000,
  async run({ credential, clock }): Promise<Finding> {
    if (credential === null) return { state: 'skip', found: 'not needed: no agent here calls a model' };
    const source = await credential.source();
    const running = await credential.running();
    if (running !== null && running.state !== 'unknown' && running.source === saySource(source)) {
      const { state, kind, why, remedy } = running;
      if (state === 'present') return ok(`${running.source}, in use`, kind === 'subscription');
      return {
        state: 'fail',
        found: `${state}: ${why ?? running.source}`,
        remedy: remedy ?? 'ralph-fleet credential show',
      };
    }
    const found = await credential.look(source);
    if (found.kind !== 'there') return { state: 'fail', found: found.why, remedy: found.remedy };
    if (found.expiresAt !== null && found.expiresAt <= clock.now()) {
      const since = new Date(found.expiresAt).toISOString();
      const remedy = 'run `claude` once on this host: it renews its login';
      return { state: 'fail', found: `${saySource(source)} has expired, at ${since}`, remedy };
    }
    return ok(saySource(source), found.isSubscription);
  },
};

function ok(from: string, isSubscription: boolean): Finding {
  return { state: 'ok', found: `from ${from}${isSubscription ? '; a subscription: dollars are imputed' : ''}` };
}
