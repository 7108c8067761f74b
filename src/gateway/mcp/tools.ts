import { type CallToolResult, Server } from '@modelcontextprotocol/server';
import { readSignal, roleVerbs, type SignalVerb, signalArguments, signalJsonSchema } from '../../domain/signal.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Ledger, OpenGrant } from '../ledger/ledger.ts';

/** The tools of one iteration: exactly the verbs of its role, and nothing that reads. */
export interface ToolDeps {
  ledger: Pick<Ledger, 'say' | 'refuseSaid' | 'sync'>;
  /** False once an agent calls in a tight loop: it is then answered without a look at what it says. */
  mayCall: (grant: OpenGrant) => boolean;
  /** Hears of each call of one of its tools. */
  onCall: (verb: SignalVerb, isError: boolean) => void;
}

const maxGivenBytes = 64 * 1024;
const maxCallsPerMinute = 60;

const afterwards: Readonly<Record<SignalVerb, string>> = {
  done: 'Noted. You are finished: stop here.',
  partial: 'Noted. You are finished: stop here.',
  stuck: 'Noted. You are finished: stop here.',
  verdict: 'Noted. You are finished: stop here.',
  ask: 'Noted. Nobody answers while you work: end with `stuck`, unless you can go on without the answer.',
  learned: 'Noted. Go on.',
  flag: 'Noted. Go on.',
};

/** A server for one request. */
export function createToolServer(deps: ToolDeps, grant: OpenGrant): Server {
  const server = new Server({ name: 'ralph-fleet', version: '1' }, { capabilities: { tools: {} } });
  server.setRequestHandler('tools/list', () => ({
    tools: roleVerbs[grant.role].map((verb) => ({
      name: verb,
      description: signalArguments[verb].description ?? '',
      inputSchema: { ...signalJsonSchema(verb), type: 'object' as const },
    })),
  }));
  server.setRequestHandler('tools/call', async ({ params }) => {
    const result = await call(deps, grant, params.name, params.arguments ?? {});
    const verb = roleVerbs[grant.role].find((it) => it === params.name);
    if (verb !== undefined) deps.onCall(verb, result.isError === true);
    return result;
  });
  return server;
}

/** Kept on the disk before it is answered. What is refused says why, so that the agent can mend it. */
async function call(deps: ToolDeps, grant: OpenGrant, verb: string, given: unknown): Promise<CallToolResult> {
  const { ledger } = deps;
  if (!deps.mayCall(grant)) return refusal('You call too often; wait a minute.');
  const refuse = (why: string) => {
    ledger.refuseSaid(grant.iteration);
    return refusal(why);
  };
  const bytes = Buffer.byteLength(JSON.stringify(given));
  if (bytes > maxGivenBytes) return refuse(`Your words are too long: ${bytes} bytes of at most ${maxGivenBytes}.`);
  const read = readSignal(grant.role, verb, given);
  if (!read.ok)
    return refuse(`\`${verb.slice(0, 40)}\` was not noted. ${read.problems.join('; ')}. Mend it and call again.`);
  switch (ledger.say(grant, read.signal.verb, given)) {
    case 'ended':
      return refuse('This iteration has ended; nothing more is noted.');
    case 'too-much':
      return refuse('You have said as much as one iteration may.');
    case 'kept':
      await ledger.sync();
      return { content: [{ type: 'text', text: afterwards[read.signal.verb] }] };
  }
}

function refusal(text: string): CallToolResult {
  return { isError: true, content: [{ type: 'text', text }] };
}

/** In memory: a gateway that starts anew allows a few more. */
export function createCallRate(clock: Clock): ToolDeps['mayCall'] {
  const minutes = new Map<string, { since: number; calls: number }>();
  return ({ id }) => {
    const now = clock.now();
    const minute = minutes.get(id);
    if (minute === undefined || now - minute.since >= 60_000) {
      if (minutes.size > 10_000) minutes.clear();
      minutes.set(id, { since: now, calls: 1 });
      return true;
    }
    minute.calls += 1;
    return minute.calls <= maxCallsPerMinute;
  };
}
