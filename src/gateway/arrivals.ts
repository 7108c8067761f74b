import type { Ledger, OpenGrant } from './ledger/ledger.ts';

/**
 * Did an agent get what its iteration gave it? A guest could claim anything; but what its CLI sends to the model API passes here, and
 * holds the prompt's own mark and the tools the model was offered. The first call with each is noted.
 */
export function createArrivals(
  ledger: Pick<Ledger, 'noteArrived'>,
): (grant: OpenGrant, body: Buffer, toolNames: readonly string[]) => void {
  const seen = new Set<string>();

  function note(grant: OpenGrant, what: 'prompt' | 'tools', isThere: () => boolean): void {
    const key = `${what} ${grant.id}`;
    if (seen.has(key) || !isThere()) return;
    ledger.noteArrived(grant.iteration, what);
    if (seen.size > 10_000) seen.clear();
    seen.add(key);
  }

  return (grant, body, toolNames) => {
    const { marks } = grant;
    if (marks === null) return;
    note(grant, 'prompt', () => body.includes(marks.prompt));
    note(grant, 'tools', () => toolNames.includes(marks.tool));
  };
}
