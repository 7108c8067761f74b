import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../lib/clock.ts';
import { isAbort } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { ours } from '../../telemetry/traces/attributes.ts';
import { type GuestBody, readGuestBody } from '../../telemetry/traces/guest-body.ts';
import { admit } from '../admission.ts';
import { BodyTooLarge, createBodies } from '../budget/body.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { OpenTrace, Traces } from './traces.ts';

/**
 * Takes what an agent CLI says of itself (OTLP/HTTP, JSON), at the guest's one address beside the model APIs. Who it is says the token,
 * never the body. It decides nothing: it is no sign of life, is not in the books, and what is wrong with it ends only the request.
 */
export interface Intake {
  serve(vm: string, signal: 'traces' | 'logs', req: IncomingMessage, res: ServerResponse): Promise<void>;
}

const bodyLimits = { maxBytes: 1024 * 1024, perVmBytes: 2 * 1024 * 1024 };
const bodyPatienceMs = 10_000;
/** An agent CLI sends two every five seconds. */
const requestsPerMinute = 60;

export function createIntake(deps: { ledger: Ledger; traces: Traces; clock: Clock; log: Log }): Intake {
  const { traces, clock, log } = deps;
  const bodies = createBodies(bodyLimits);

  async function readBody(vm: string, req: IncomingMessage): Promise<Buffer> {
    const over = new AbortController();
    const callOff = clock.after(bodyPatienceMs, () => over.abort());
    try {
      const body = await bodies.read(vm, req, over.signal);
      body.release();
      return body.bytes;
    } finally {
      callOff();
    }
  }

  return {
    serve: async (vm, signal, req, res) => {
      if (req.method !== 'POST') return answer(res, 405, 'Only POST is served here.');
      const admission = admit(deps, vm, req.headers);
      if (!admission.ok) return answer(res, 403, admission.refusal.message);
      const { grant } = admission;
      const trace = traces.of(grant);
      if (trace === null) return answer(res, 404, 'This iteration is not traced.');
      if (!isJson(req)) return answer(res, 415, 'Only JSON that is not compressed is taken.');
      if (!mayAsk(trace, clock.now())) return answer(res, 429, 'Too many requests; wait a minute.', '60');
      const bytes = await readBody(vm, req).catch((error: unknown) => {
        if (error instanceof BodyTooLarge) return error.message;
        if (!isAbort(error)) log.debug({ vm, task: grant.task, err: String(error) }, 'telemetry of an agent broke off');
        return null;
      });
      if (bytes === null) return void res.destroy();
      if (typeof bytes === 'string') return answer(res, 413, bytes);
      const left = signal === 'traces' ? trace.guest.spans : trace.guest.events;
      const stamp = { ...trace.stamp, [ours.isUntrusted]: true };
      const read = readGuestBody(bytes, { signal, ref: trace.ref, stamp, now: clock.now(), room: left });
      if (read === null) return answer(res, 400, 'This is no OTLP request in JSON.');
      trace.guest.spans -= read.spans.length;
      trace.guest.events -= read.events.length;
      trace.said(read);
      const dropped = Object.values(read.dropped).reduce((sum, count) => sum + count, 0);
      if (dropped > 0) log.debug({ vm, task: grant.task, ...read.dropped }, 'telemetry of an agent was left out');
      taken(res, signal, dropped, read);
    },
  };
}

function isJson({ headers }: IncomingMessage): boolean {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = headers;
  return type.startsWith('application/json') && encoding === 'identity';
}

function mayAsk({ guest }: OpenTrace, now: number): boolean {
  if (now - guest.minute >= 60_000) Object.assign(guest, { minute: now, requests: 0 });
  guest.requests += 1;
  return guest.requests <= requestsPerMinute;
}

/** As OTLP has it: what was left out is told, and is not to be sent again. */
function taken(res: ServerResponse, signal: 'traces' | 'logs', dropped: number, { dropped: why }: GuestBody): void {
  const rejected = signal === 'traces' ? 'rejectedSpans' : 'rejectedLogRecords';
  const reasons = Object.entries(why).flatMap(([name, count]) => (count > 0 ? [`${name}: ${count}`] : []));
  const partialSuccess = { [rejected]: String(dropped), errorMessage: reasons.join(', ') };
  write(res, 200, dropped === 0 ? {} : { partialSuccess });
}

function answer(res: ServerResponse, status: number, message: string, retryAfter?: string): void {
  // What is left of the request is not waited for.
  const headers = { connection: 'close', ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }) };
  write(res, status, { message }, headers);
}

function write(res: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  const text = JSON.stringify(body);
  const length = String(Buffer.byteLength(text));
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': length, ...headers }).end(text);
}
