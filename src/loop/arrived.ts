import type { Arrived } from '../domain/iteration.ts';

/**
 * What of prompt and tools did not reach the model, in words. The gateway, not the guest, says what passed it; what the agent CLI
 * says of itself (`mcp`) only explains.
 */
export function lackedOf(arrived: Arrived, mcp: string | null): string | null {
  if (arrived.prompt === null) return 'no call to the model API held the prompt';
  if (arrived.tools !== null) return null;
  const status = mcp === null || mcp === 'connected' ? '' : ` (its agent CLI says: their server is ${mcp})`;
  return `the model was not given the tools to end with${status}`;
}
