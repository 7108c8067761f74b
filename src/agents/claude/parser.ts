import type { z } from 'zod';
import { cleanLine, cleanText } from '../../lib/clean-text.ts';
import type { StreamItem, StreamParser } from '../agent.ts';
import {
  createJsonLineParser,
  doingText,
  type LineMeaning,
  maxDetailChars,
  maxItemChars,
} from '../json-line-parser.ts';
import { assistantSchema, type Block, rateLimitSchema, resultSchema, systemSchema, userSchema } from './events.ts';
import { mcpServer } from './mcp-config.ts';

export function createClaudeParser(): StreamParser {
  return createJsonLineParser(readEvent);
}

/** null: not a line of Claude Code. Types that are not known say nothing. */
function readEvent(line: Record<string, unknown>): LineMeaning | null {
  switch (line['type']) {
    case 'assistant':
      return read(assistantSchema, line, (event) => readBlocks(event.message.content, 'assistant'));
    case 'user':
      return read(userSchema, line, (event) => readBlocks(event.message.content, 'user'));
    case 'system':
      return read(systemSchema, line, readSystem);
    case 'rate_limit_event':
      return read(rateLimitSchema, line, readRateLimit);
    case 'result':
      return read(resultSchema, line, readResult);
    default:
      return typeof line['type'] === 'string' ? {} : null;
  }
}

function read<S extends z.ZodType>(
  schema: S,
  line: Record<string, unknown>,
  toMeaning: (event: z.infer<S>) => LineMeaning,
): LineMeaning | null {
  const parsed = schema.safeParse(line);
  return parsed.success ? toMeaning(parsed.data) : null;
}

function readBlocks(content: string | Block[], role: 'assistant' | 'user'): LineMeaning {
  // What the CLI itself tells the model (reminders, nags) stands in `user` lines as text; it is no one's word.
  const blocks = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
  const items: StreamItem[] = [];
  let doing: string | undefined;
  for (const block of blocks) {
    if (block.type === 'thinking') doing = 'thinks';
    if (block.type === 'text' && role === 'assistant') {
      doing = 'writes';
      items.push({ kind: 'text', text: cleanText(block.text, maxItemChars) });
    }
    if (block.type === 'tool_use') {
      const tool = { name: cleanLine(block.name, 60), detail: toolDetail(block.input) };
      doing = doingText(toolVerbs[block.name] ?? `uses ${tool.name}`, tool.detail);
      items.push({ kind: 'tool', ...tool });
    }
    if (block.type === 'tool_result') {
      items.push({
        kind: 'tool-result',
        ok: !block.is_error,
        text: cleanText(resultText(block.content), maxItemChars),
      });
    }
  }
  return { items, summary: doing === undefined ? {} : { doing } };
}

const toolVerbs: Readonly<Record<string, string>> = {
  Bash: 'runs',
  Edit: 'edits',
  Write: 'writes',
  NotebookEdit: 'edits',
  Read: 'reads',
  Grep: 'searches',
  Glob: 'searches',
  Task: 'asks a subagent:',
};

/** What a tool works on: the one input that says most to a person. */
function toolDetail(input: Record<string, unknown>): string {
  for (const key of ['file_path', 'notebook_path', 'command', 'pattern', 'path', 'description', 'query', 'url']) {
    const value = input[key];
    if (typeof value === 'string') return cleanLine(withoutWorkspace(value.slice(0, 2000)), maxDetailChars);
  }
  const keys = Object.keys(input).slice(0, 8);
  return cleanLine(keys.join(', '), maxDetailChars);
}

function withoutWorkspace(text: string): string {
  return text.replace(/^\/home\/[^/\s]+\/[^/\s]+\//, '');
}

function resultText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part: unknown) => {
      const text = typeof part === 'object' && part !== null && 'text' in part ? part.text : '';
      return typeof text === 'string' ? text : '';
    })
    .join('\n');
}

function readSystem(event: z.infer<typeof systemSchema>): LineMeaning {
  switch (event.subtype) {
    case 'init':
      return readInit(event);
    case 'api_retry': {
      const why = [event.error_status, event.error].filter((part) => part != null).join(' ');
      const wait = Math.ceil((event.retry_delay_ms ?? 0) / 1000);
      const text = `the model API failed (${why}); try ${event.attempt ?? '?'} of ${event.max_retries ?? '?'} in ${wait} s`;
      return { items: [notice(text)], summary: { doing: 'waits for the model API' } };
    }
    case 'permission_denied':
    case 'model_fallback':
    case 'informational':
    case 'notification':
      return { items: [notice(event.message ?? event.content ?? event.text ?? event.subtype)] };
    default:
      return {};
  }
}

function readInit(event: z.infer<typeof systemSchema>): LineMeaning {
  const status = event.mcp_servers?.find((server) => server.name === mcpServer)?.status;
  const mcp = status === undefined ? null : cleanLine(status, 40);
  const items = [notice(`Claude Code starts with ${event.model ?? 'its model'}`)];
  if (mcp !== null && mcp !== 'connected') items.push(notice(`the server of its tools to end with is ${mcp}`));
  return { items, summary: { doing: 'starts', mcp } };
}

function readRateLimit(event: z.infer<typeof rateLimitSchema>): LineMeaning {
  const info = event.rate_limit_info;
  if (info.status === 'allowed') return {};
  const kind = info.rateLimitType ?? 'usage';
  const until = info.status === 'rejected' && info.resetsAt ? info.resetsAt * 1000 : null;
  return {
    items: [notice(`usage limit (${kind}): ${info.status}`)],
    summary: until === null ? {} : { rateLimitedUntil: until },
  };
}

function readResult(event: z.infer<typeof resultSchema>): LineMeaning {
  const text = cleanText(event.result ?? event.errors?.join('; ') ?? '', maxItemChars);
  const result = {
    isError: event.is_error || event.subtype !== 'success',
    subtype: event.subtype,
    text,
    apiStatus: event.api_error_status ?? null,
    terminalReason: event.api_error ?? event.terminal_reason ?? null,
  };
  const items = result.isError ? [notice(`ended with an error: ${text || event.subtype}`)] : [];
  return { items, summary: { result, doing: null } };
}

function notice(text: string): StreamItem {
  return { kind: 'notice', text: cleanLine(text, 500) };
}
