import { iterationMcpPath } from '../../domain/signal.ts';

/** The iteration's own MCP server, for `--mcp-config` (2.1.329). */
export const mcpServer = 'ralph';

export function mcpToolName(verb: string): string {
  return `mcp__${mcpServer}__${verb}`;
}

/**
 * The token is put in by Claude Code from its environment: a variable of our own, since it expands those that hold credentials of
 * its own to nothing. Without `alwaysLoad` the tools are not offered to the model before it looks for them.
 */
export function mcpConfig(gatewayUrl: string): string {
  const headers = { Authorization: `Bearer \${${mcpTokenVariable}}` };
  const server = { type: 'http', url: `${gatewayUrl}${iterationMcpPath}`, headers, alwaysLoad: true };
  return JSON.stringify({ mcpServers: { [mcpServer]: server } });
}

export const mcpTokenVariable = 'RALPH_TOKEN';
