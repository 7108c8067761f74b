import { randomBytes } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { genAi, operations, ours } from '../../telemetry/traces/attributes.ts';
import { readTraceparent, type SpanRef } from '../../telemetry/traces/ids.ts';
import { createOtlpSender, type OtlpSender } from '../../telemetry/traces/otlp-sender.ts';
import { type Counts, createQueue, type Queue } from '../../telemetry/traces/queue.ts';
import { addUsage, differs, noUsage, saidAttributes, saidIn, type Usage } from '../../telemetry/traces/said.ts';
import { type Attributes, type Span, type SpanEvent, timeOf } from '../../telemetry/traces/span.ts';
import type { OpenGrant } from '../ledger/ledger.ts';

/**
 * The gateway's part of the traces: spans of model calls and tools, what agents say of themselves, and the one against the other. A
 * grant says whether its iteration is traced, in which trace, and where to; without that nothing here is done. All of it is in memory:
 * what a killed gateway had not sent is lost, its books are not.
 */
export interface Traces {
  /** Null where the iteration is not traced. */
  of(grant: OpenGrant): OpenTrace | null;
  /** The grant is over: once its last call is, what its agent said of them is compared. */
  end(grant: string): void;
  counts(): Counts & { compared: Compared };
  close(deadlineMs: number): Promise<void>;
}

/** Iterations whose agent's own figures of its calls were held against the meter's. */
export type Compared = Record<'same' | 'differs', number>;

export interface OpenTrace {
  ref: SpanRef;
  /** Who it is, for every span. */
  stamp: Attributes;
  /** Spans and events its guest may still send, and how many requests this minute. */
  guest: { spans: number; events: number; minute: number; requests: number };
  /** Under the span a request names, if it is of this trace; else under the iteration. */
  span(made: Made, traceparent: unknown): void;
  /** Those of its agent. */
  said(given: { spans: readonly Span[]; events: readonly SpanEvent[] }): void;
  begin(): void;
  metered(usage: Usage | null): void;
}

export type Made = Pick<Span, 'name' | 'kind' | 'attributes' | 'isError'> & { start: number; end: number };

export interface TracesDeps {
  clock: Clock;
  log: Log;
  version: string;
  /** Takes secrets of this process out of a text. */
  hide: (text: string) => string;
  /** For tests: in the place of OTLP over HTTP. */
  createSender?: (url: string) => OtlpSender;
}

/** Of one iteration; an agent makes about seven spans a turn. */
const guestSpans = 2_000;
const guestEvents = 4_000;
const mostIterations = 10_000;

interface State {
  grant: OpenGrant;
  trace: OpenTrace;
  said: Usage;
  metered: Usage;
  first: number | null;
  last: number;
  open: number;
  isEnded: boolean;
}

export function createTraces(deps: TracesDeps): Traces {
  const { clock, log, version, hide } = deps;
  const createSender = deps.createSender ?? ((url) => createOtlpSender({ url, version, hide }));
  const queues = new Map<string, Queue>();
  const states = new Map<string, State>();
  const compared: Compared = { same: 0, differs: 0 };

  function queueTo(url: string): Queue {
    const before = queues.get(url);
    if (before !== undefined) return before;
    const queue = createQueue({ sender: createSender(url), clock, log });
    queues.set(url, queue);
    return queue;
  }

  function open(grant: OpenGrant, { otlp, ...ref }: NonNullable<OpenGrant['trace']>): State {
    const queue = queueTo(otlp);
    const stamp = stampOf(grant);
    const state: State = {
      ...{ grant, said: noUsage(), metered: noUsage(), first: null, last: 0, open: 0, isEnded: false },
      trace: {
        ...{ ref, stamp },
        guest: { spans: guestSpans, events: guestEvents, minute: 0, requests: 0 },
        span: ({ start, end, attributes, ...made }, given) => {
          const parent = readTraceparent(given);
          queue.span({
            ...made,
            traceId: ref.traceId,
            spanId: randomBytes(8).toString('hex'),
            parentSpanId: parent?.traceId === ref.traceId ? parent.spanId : ref.spanId,
            start: timeOf(start),
            end: timeOf(end),
            attributes: { ...attributes, ...stamp },
            from: 'ralph-fleet-gateway',
          });
        },
        said: ({ spans, events }) => {
          for (const span of spans) queue.span(span);
          for (const event of events) {
            queue.event(event);
            const usage = saidIn(event);
            if (usage !== null) addUsage(state.said, usage);
          }
        },
        begin: () => {
          state.open += 1;
          state.first ??= clock.now();
        },
        metered: (usage) => {
          state.open -= 1;
          state.last = clock.now();
          if (usage !== null) addUsage(state.metered, usage);
          if (state.isEnded) compare(state);
        },
      },
    };
    return state;
  }

  /** An agent that said nothing has nothing to be compared. */
  function compare({ grant, trace, said, metered, first, last, open: calls }: State): void {
    if (calls > 0 || said.calls === 0) return;
    const { task, iteration } = grant;
    const found = { task, iteration, ...traceIdOf(grant), said, metered, differs: differs(said, metered) };
    compared[found.differs ? 'differs' : 'same'] += 1;
    log[found.differs ? 'warn' : 'info'](found, 'what the agent said of its calls, and what was metered');
    const now = clock.now();
    const attributes = {
      ...saidAttributes(said, metered),
      [ours.modelCalls]: metered.calls,
      [genAi.inputTokens]: metered.inputTokens,
      [genAi.outputTokens]: metered.outputTokens,
      [ours.costUsd]: metered.usd,
    };
    const times = { start: first ?? now, end: Math.max(first ?? now, last) };
    trace.span({ name: 'agent.usage', kind: 'internal', ...times, attributes, isError: false }, null);
  }

  return {
    of: (grant) => {
      if (grant.trace === null) return null;
      const before = states.get(grant.id);
      if (before !== undefined) return before.trace;
      if (states.size > mostIterations) states.clear();
      const state = open(grant, grant.trace);
      states.set(grant.id, state);
      return state.trace;
    },
    end: (id) => {
      const state = states.get(id);
      states.delete(id);
      if (state === undefined) return;
      state.isEnded = true;
      compare(state);
    },
    counts: () => {
      const sum = { exported: 0, dropped: { full: 0, refused: 0, ended: 0 }, compared: { ...compared } };
      for (const { exported, dropped } of [...queues.values()].map((queue) => queue.counts())) {
        sum.exported += exported;
        for (const why of ['full', 'refused', 'ended'] as const) sum.dropped[why] += dropped[why];
      }
      return sum;
    },
    close: async (deadlineMs) => {
      await Promise.all([...queues.values()].map((queue) => queue.close(deadlineMs)));
    },
  };
}

/** For lines of the log, which so are found from the trace. */
export function traceIdOf({ trace }: Pick<OpenGrant, 'trace'>): { trace_id?: string } {
  return trace === null ? {} : { trace_id: trace.traceId };
}

function stampOf({ project, task, ralph, iteration, role, vm }: OpenGrant): Attributes {
  return {
    [ours.project]: project,
    [ours.task]: task,
    [ours.ralph]: ralph,
    [ours.iteration]: iteration,
    [ours.role]: role,
    [ours.vm]: vm,
  };
}

/** Of a tool of the gateway's own. */
export function toolSpan(verb: string, times: { start: number; end: number }, isError: boolean): Made {
  const attributes = { [genAi.operation]: operations.tool, [genAi.toolName]: verb };
  return { name: `${operations.tool} ${verb}`, kind: 'internal', attributes, isError, ...times };
}
