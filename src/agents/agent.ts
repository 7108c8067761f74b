import type { Provider } from '../domain/credential.ts';
import type { IterationOutcome, RalphRole } from '../domain/iteration.ts';

/** What one agent CLI needs to run in a guest, and how what it prints is read. One folder per CLI; see registry.ts. */
export interface AgentAdapter {
  readonly name: string;
  /** Whose models it calls; null when it calls none. */
  readonly provider: Provider | null;
  /** How this CLI names a tool of the iteration's MCP server to the model; null: it has no MCP, its agent says all by the file. */
  readonly mcpTool: ((verb: string) => string) | null;
  /** Everything of one run: argv (run without a shell, as the Ralph's user, in the workspace), environment, seeded files. */
  command(run: AgentRun): AgentCommand;
  /** A fresh parser for one stream. */
  parser(): StreamParser;
  /** What became of the run, from its exit and its stream. The host's own knowledge (limits, budget) is not its concern. */
  judge(exit: AgentExit, seen: StreamSummary): { outcome: IterationOutcome; reason: string };
}

export interface AgentRun {
  role: RalphRole;
  /** Absolute folders in the guest. */
  home: string;
  workspace: string;
  jobDir: string;
  /** Where the prompt stands in the guest, already written. */
  promptFile: string;
  model: string | null;
  maxTurns: number;
  /** The guest's one local address of the gateway, e.g. `http://127.0.0.1:4141`; the MCP server stands there at `iterationMcpPath`. */
  gatewayUrl: string;
  /** The per-iteration token, not a credential of the user. */
  token: string;
  /** What it says of itself is wanted: the iteration's place in the traces (W3C `traceparent`), and where to in the guest; null: it is not. */
  telemetry: { url: string; traceparent: string } | null;
  /** For `scripted`: which part of the scenario to play. */
  iteration: number;
  scenario: unknown;
}

export interface AgentCommand {
  argv: string[];
  env: Record<string, string>;
  /** Files to write before the start: absolute path in the guest, content, mode. Owned by the Ralph's user. */
  files: { path: string; content: string; mode: number }[];
  /** A jq program (run with `jq --unbuffered -Rr`) that turns the stream's raw lines into readable ones for the pane. */
  paneFilter: string;
}

export interface AgentExit {
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
}

/** Fed with raw bytes as they arrive, in any cut; keeps bounded memory whatever comes (garbage, 100 MB on a line, no UTF-8). */
export interface StreamParser {
  push(chunk: Uint8Array): StreamItem[];
  end(): StreamItem[];
  summary(): StreamSummary;
}

/** One readable thing the agent did. Text is cleaned of control characters and cut. */
export type StreamItem =
  | { kind: 'text'; text: string }
  | { kind: 'tool'; name: string; detail: string }
  | { kind: 'tool-result'; ok: boolean; text: string }
  | { kind: 'notice'; text: string }
  | { kind: 'garbage'; bytes: number };

export interface StreamSummary {
  /** The last result line, if one came. */
  result: {
    isError: boolean;
    subtype: string;
    text: string;
    apiStatus: number | null;
    terminalReason: string | null;
  } | null;
  /** What it seems to do now, for the status line: `edits src/parse.ts`. */
  doing: string | null;
  lines: number;
  garbageLines: number;
  rateLimitedUntil: number | null;
  /** How the iteration's MCP server is, as the CLI says; null: it says nothing. */
  mcp: string | null;
}
