import type { AgentAdapter, AgentCommand, AgentRun } from '../agent.ts';
import { paneFilter } from '../pane-filter.ts';
import { judgeClaude } from './judge.ts';
import { mcpConfig, mcpTokenVariable, mcpToolName } from './mcp-config.ts';
import { createClaudeParser } from './parser.ts';

/** The version whose event formats are read here; images install exactly this one. */
export const claudeVersion = '2.1.329';

/** Claude Code in print mode: no dialog can wait, every event is a line of JSON. */
export function createClaudeAdapter(): AgentAdapter {
  const parts = { command, parser: createClaudeParser, judge: judgeClaude };
  return { name: 'claude', provider: 'anthropic', mcpTool: mcpToolName, ...parts };
}

/**
 * The prompt comes by stdin from its file: an argument may be no longer than 128 KiB, and an open, silent stdin costs 3 s.
 * The script is constant; data reaches it as arguments and environment only.
 */
const startScript = 'exec claude "$@" < "$RALPH_PROMPT_FILE"';

function command(run: AgentRun): AgentCommand {
  const mcpFile = `${run.home}/.ralph-mcp.json`;
  return {
    argv: [
      'sh',
      '-c',
      startScript,
      'claude',
      '-p',
      '--output-format',
      'stream-json',
      '--verbose',
      '--max-turns',
      String(run.maxTurns),
      ...(run.model === null ? [] : ['--model', run.model]),
      // No server that the repository or its user names is started.
      '--mcp-config',
      mcpFile,
      '--strict-mcp-config',
      '--dangerously-skip-permissions',
    ],
    env: {
      RALPH_PROMPT_FILE: run.promptFile,
      ANTHROPIC_BASE_URL: run.gatewayUrl,
      // As a bearer token, and not as an API key: a key asks for confirmation where someone types in the session.
      ANTHROPIC_AUTH_TOKEN: run.token,
      [mcpTokenVariable]: run.token,
      CLAUDE_CODE_TMPDIR: `${run.home}/.claude-tmp`,
      ...constantEnv,
      ...telemetryEnv(run),
    },
    files: [
      { path: `${run.home}/.claude.json`, content: seededState(run.workspace), mode: 0o600 },
      { path: mcpFile, content: mcpConfig(run.gatewayUrl), mode: 0o600 },
    ],
    paneFilter: pane,
  };
}

const constantEnv = {
  DISABLE_TELEMETRY: '1',
  DISABLE_AUTOUPDATER: '1',
  DISABLE_ERROR_REPORTING: '1',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL: '1',
  // A run would stay alive as long as a task in the background does.
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
  // The gateway knows the limits; ten tries on a refused token would last three minutes.
  CLAUDE_CODE_MAX_RETRIES: '3',
  // Its tools are there before the first call to the model.
  MCP_CONNECTION_NONBLOCKING: '0',
  // A VM is the sandbox that --dangerously-skip-permissions asks for.
  IS_SANDBOX: '1',
} as const;

/**
 * Its own OpenTelemetry: spans and events, no figures (the gateway is the meter), and nothing of what was said (`OTEL_LOG_*` stays off).
 * With `TRACEPARENT` its spans stand below the iteration's, and its model calls name theirs to the gateway. The header is sent as it
 * stands here, so the token needs no escaping.
 */
function telemetryEnv({ telemetry, token }: AgentRun): Record<string, string> {
  if (telemetry === null) return {};
  return {
    CLAUDE_CODE_ENABLE_TELEMETRY: '1',
    CLAUDE_CODE_ENHANCED_TELEMETRY_BETA: '1',
    CLAUDE_CODE_PROPAGATE_TRACEPARENT: '1',
    TRACEPARENT: telemetry.traceparent,
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_LOGS_EXPORTER: 'otlp',
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_ENDPOINT: telemetry.url,
    OTEL_EXPORTER_OTLP_HEADERS: `x-api-key=${token}`,
  };
}

/** Each key skips one dialog that would wait for a person: welcome, trust in the folder, bypassed permissions. */
function seededState(workspace: string): string {
  return JSON.stringify({
    hasCompletedOnboarding: true,
    bypassPermissionsModeAccepted: true,
    projects: { [workspace]: { hasTrustDialogAccepted: true } },
  });
}

const pane = paneFilter(`
def show:
  def result: if type == "string" then . elif type == "array" then map(.text? // "") | join("\\n") else "" end;
  def dim: "\\u001b[2m" + . + "\\u001b[0m";
  if .type == "assistant" then .message.content[]
    | if .type == "text" then (.text | text(4000))
      elif .type == "tool_use" then "\\u001b[36m● " + (.name | line(60)) + "\\u001b[0m "
        + ((.input | .file_path? // .notebook_path? // .command? // .pattern? // .path? // .description? // (keys | join(", "))) | line(200))
      else empty end
  elif .type == "user" then .message.content | arrays | .[] | select(.type == "tool_result")
    | (.is_error == true) as $bad | (.content | result | text(1000)) as $t
    | (if $bad then "\\u001b[31m" else "\\u001b[2m" end) + (if $t == "" then "    ok" else ($t | indent) end) + "\\u001b[0m"
  elif .type == "system" and .subtype == "init" then "Claude Code \\(.claude_code_version | line(20)), \\(.model | line(60))" | dim
  elif .type == "system" and .subtype == "api_retry" then
    "the model API failed (\\(.error_status | line(10)) \\(.error | line(60))); tries again" | dim
  elif .type == "result" then
    (if .is_error then "\\u001b[31mended with an error: " + ((.result // (.errors // [] | join("; "))) | line(500)) + "\\u001b[0m"
     else "the agent ended" | dim end)
  else empty end;`);
