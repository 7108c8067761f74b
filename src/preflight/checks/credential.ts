import type { PreflightCheck } from '../preflight.ts';

/** Looks only whether one is there; its value is never read here. */
export const credentialCheck: PreflightCheck = {
  id: 'credential',
  title: 'credential',
  why: 'agents call the model with your own account, through the gateway',
  async run({ host, wanted, credentials }) {
    if (!wanted.credential) return { state: 'skip', found: 'not needed for --demo' };
    for (const { from, name } of credentials) {
      const present = from === 'env' ? Boolean(host.env[name]?.trim()) : await host.exists(name);
      if (present) return { state: 'ok', found: from === 'env' ? `from $${name}` : `from ${name}` };
    }
    const names = credentials.map(({ name }) => name).join(', ') || 'any source (`credentials` in fleet.yaml is empty)';
    const variable = credentials.find(({ from }) => from === 'env')?.name ?? 'ANTHROPIC_API_KEY';
    return { state: 'fail', found: `none found; looked for ${names}`, remedy: `export ${variable}=…` };
  },
};
