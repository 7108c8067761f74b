/**
 * Every name that stands in a span or an event of ours; no other file spells one.
 *
 * The `gen_ai.*` names are those of github.com/open-telemetry/semantic-conventions-genai at the commit below, read on 2026-11-21. All of
 * them have the status "development" there, and no release has been made: a change of names is a change of this file. Left out on purpose
 * is everything that holds content (`gen_ai.input.messages`, `gen_ai.tool.call.arguments` and the like).
 */
export const genAiConvention = {
  repository: 'open-telemetry/semantic-conventions-genai',
  /** It renamed `cache_creation` to `cache_write` (its changelog.d/440). */
  commit: 'b9449702673fa5ea79d3c4cee3733f6d5e2b1e40',
  readOn: '2026-11-21',
} as const;

export const genAi = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  agentName: 'gen_ai.agent.name',
  requestModel: 'gen_ai.request.model',
  responseModel: 'gen_ai.response.model',
  responseId: 'gen_ai.response.id',
  finishReasons: 'gen_ai.response.finish_reasons',
  timeToFirstChunk: 'gen_ai.response.time_to_first_chunk',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  cacheReadTokens: 'gen_ai.usage.cache_read.input_tokens',
  cacheWriteTokens: 'gen_ai.usage.cache_write.input_tokens',
  toolName: 'gen_ai.tool.name',
  toolCallId: 'gen_ai.tool.call.id',
  conversation: 'gen_ai.conversation.id',
} as const;

/** Values of `genAi.operation`; a span is named by one of them and what it is about. */
export const operations = { agent: 'invoke_agent', tool: 'execute_tool', model: 'chat' } as const;

/** Of OpenTelemetry's core conventions, all stable. */
export const general = {
  service: 'service.name',
  serviceVersion: 'service.version',
  error: 'error.type',
  status: 'http.response.status_code',
  server: 'server.address',
} as const;

export const ours = {
  fleet: 'ralph_fleet.fleet',
  project: 'ralph_fleet.project',
  task: 'ralph_fleet.task.id',
  taskPhase: 'ralph_fleet.task.phase',
  change: 'ralph_fleet.change.id',
  ralph: 'ralph_fleet.ralph',
  role: 'ralph_fleet.role',
  vm: 'ralph_fleet.vm.id',
  iteration: 'ralph_fleet.iteration.id',
  iterationNumber: 'ralph_fleet.iteration.number',
  outcome: 'ralph_fleet.outcome',
  isCounted: 'ralph_fleet.iteration.counted',
  commitBefore: 'ralph_fleet.commit.before',
  commit: 'ralph_fleet.commit',
  modelCalls: 'ralph_fleet.model_calls',
  tokens: 'ralph_fleet.tokens',
  costUsd: 'ralph_fleet.cost_usd',
  isImputed: 'ralph_fleet.cost_imputed',
  isPriceKnown: 'ralph_fleet.price_known',
  counted: 'ralph_fleet.counted',
  reservation: 'ralph_fleet.reservation.id',
  refused: 'ralph_fleet.refused',
  checksKind: 'ralph_fleet.checks.kind',
  checksVariant: 'ralph_fleet.checks.variant',
  checksPassed: 'ralph_fleet.checks.passed',
  checksTotal: 'ralph_fleet.checks.total',
  check: 'ralph_fleet.check.id',
  exitCode: 'ralph_fleet.check.exit_code',
  isTimedOut: 'ralph_fleet.check.timed_out',
  result: 'ralph_fleet.result',
  reviewRound: 'ralph_fleet.review.round',
  verdict: 'ralph_fleet.review.verdict',
  findings: 'ralph_fleet.review.findings',
  decision: 'ralph_fleet.approval.decision',
  channel: 'ralph_fleet.approval.channel',
  /** It came out of a guest: what it says may be wrong, or made up. */
  isUntrusted: 'ralph_fleet.untrusted',
  /** Of the calls of one iteration: what its agent said, and what was metered. */
  saidCalls: 'ralph_fleet.said.model_calls',
  saidInputTokens: 'ralph_fleet.said.input_tokens',
  saidOutputTokens: 'ralph_fleet.said.output_tokens',
  saidCostUsd: 'ralph_fleet.said.cost_usd',
  saysOtherwise: 'ralph_fleet.said.differs',
} as const;

/**
 * What of an agent CLI's own spans and events is let out of a guest, and how its value must look. All else is dropped: who the user is,
 * what was said, which commands and files. Those of Claude Code 2.1.329.
 */
export const agentAttributes: Readonly<Record<string, 'count' | 'flag' | 'word' | 'words'>> = {
  [genAi.operation]: 'word',
  [genAi.provider]: 'word',
  [genAi.requestModel]: 'word',
  [genAi.responseModel]: 'word',
  [genAi.responseId]: 'word',
  [genAi.finishReasons]: 'words',
  [genAi.toolName]: 'word',
  [genAi.toolCallId]: 'word',
  [genAi.conversation]: 'word',
  'event.name': 'word',
  'event.sequence': 'count',
  'span.type': 'word',
  'interaction.sequence': 'count',
  'interaction.duration_ms': 'count',
  'llm_request.context': 'word',
  query_source: 'word',
  query_source_safe: 'word',
  model: 'word',
  speed: 'word',
  input_tokens: 'count',
  output_tokens: 'count',
  cache_read_tokens: 'count',
  cache_creation_tokens: 'count',
  cost_usd: 'count',
  duration_ms: 'count',
  ttft_ms: 'count',
  first_content_ms: 'count',
  attempt: 'count',
  total_attempts: 'count',
  success: 'flag',
  stop_reason: 'word',
  status_code: 'count',
  error_type: 'word',
  error_code: 'word',
  request_id: 'word',
  tool_name: 'word',
  tool_use_id: 'word',
  tool_source: 'word',
  tool_input_size_bytes: 'count',
  tool_result_size_bytes: 'count',
  decision: 'word',
  source: 'word',
  status: 'word',
  prompt_length: 'count',
  user_prompt_length: 'count',
  response_length: 'count',
};

/** Spans and events of agent CLIs that are known; others are dropped. */
export const agentNames = /^claude_code\.[a-z_]{1,40}(\.[a-z_]{1,40})?$/;

/** The event in which Claude Code says what a call took. */
export const agentCallEvent = 'claude_code.api_request';
