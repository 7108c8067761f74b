import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../lib/clock.ts';
import { genAi, general, operations, ours } from '../../telemetry/traces/attributes.ts';
import { known } from '../../telemetry/traces/span.ts';
import type { Counted, OpenGrant } from '../ledger/ledger.ts';
import type { Traces } from './traces.ts';

/** One model call on its way to a span; told what its book learns. */
export interface CallTrace {
  /** Something of the answer came. */
  firstByte(): void;
  /** What it came to; `refused`: it did not go up, or the provider did not serve it. */
  settled(end: CallOutcome, counted: Counted): void;
  /** It is over: the span is made of what was told. */
  end(): void;
}

export interface CallOutcome {
  status: number;
  refused: string | null;
  fault: string | null;
}

export interface CallStart {
  grant: OpenGrant;
  provider: string;
  model: string;
  reservation: number | null;
  server: string;
}

/** A call that did not go up. */
export function traceRefusal(
  { traces, clock }: { traces: Traces; clock: Clock },
  { grant, api }: { grant: OpenGrant; api: { provider: string } },
  { kind, refused }: { kind: string; refused: string | null },
  req: IncomingMessage,
): void {
  const now = clock.now();
  const attributes = known({
    [genAi.operation]: operations.model,
    [genAi.provider]: api.provider,
    [ours.refused]: refused,
    [general.error]: kind,
  });
  const made = { name: operations.model, kind: 'client', start: now, end: now, attributes, isError: true } as const;
  traces.of(grant)?.span(made, req.headers['traceparent']);
}

export function traceCall(
  deps: { traces: Traces; clock: Clock },
  call: CallStart,
  req: IncomingMessage,
): CallTrace | null {
  const trace = deps.traces.of(call.grant);
  if (trace === null) return null;
  const { now } = deps.clock;
  const start = now();
  const parent = req.headers['traceparent'];
  let first: number | null = null;
  let last: { end: CallOutcome; counted: Counted } | null = null;
  let isOver = false;
  trace.begin();
  return {
    firstByte: () => {
      first ??= now();
    },
    settled: (end, counted) => {
      last = { end, counted };
    },
    end: () => {
      if (isOver) return;
      isOver = true;
      const { end, counted } = last ?? {};
      const input = counted && counted.inputTokens + counted.cacheReadTokens + counted.cacheWriteTokens;
      const error = end?.fault ?? end?.refused ?? (end?.status ? null : 'aborted');
      const attributes = known({
        [genAi.operation]: operations.model,
        [genAi.provider]: call.provider,
        [genAi.requestModel]: call.model,
        [genAi.responseModel]: counted?.counted === 'nothing' ? null : counted?.model,
        [genAi.inputTokens]: input,
        [genAi.outputTokens]: counted?.outputTokens,
        [genAi.cacheReadTokens]: counted?.cacheReadTokens,
        [genAi.cacheWriteTokens]: counted?.cacheWriteTokens,
        [genAi.timeToFirstChunk]: first === null ? null : (first - start) / 1000,
        [ours.costUsd]: counted?.usd,
        [ours.isImputed]: counted?.imputed,
        [ours.isPriceKnown]: counted?.priceKnown,
        [ours.counted]: counted?.counted,
        [ours.reservation]: call.reservation === null ? null : String(call.reservation),
        [ours.refused]: end?.refused,
        [general.status]: end?.status || null,
        [general.server]: call.server,
        [general.error]: error,
      });
      const name = `${operations.model} ${call.model}`.slice(0, 100);
      trace.span({ name, kind: 'client', start, end: now(), attributes, isError: error !== null }, parent);
      const isCall = counted !== undefined && counted.counted !== 'nothing';
      trace.metered(
        isCall ? { calls: 1, inputTokens: input ?? 0, outputTokens: counted.outputTokens, usd: counted.usd } : null,
      );
    },
  };
}
