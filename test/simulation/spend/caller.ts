import type { Amounts } from '../../../src/domain/budget.ts';
import type { RequestFacts } from '../../../src/gateway/budget/request.ts';
import { worstCase } from '../../../src/gateway/budget/worst-case.ts';
import { type Ledger, nothing } from '../../../src/gateway/ledger/ledger.ts';
import type { Who } from '../../../src/gateway/ledger/who.ts';
import { countCall, type Reserved } from '../../../src/gateway/meter/counted.ts';
import { type Seen, unseen } from '../../../src/gateway/meter/meter.ts';
import { noUsage, type Prices, type Usage } from '../../../src/gateway/meter/prices.ts';
import type { Clock } from '../../../src/lib/clock.ts';
import type { Dice } from '../random.ts';
import { type Books, none, type TrueCall, unknown } from './books.ts';
import { Died, Full } from './disk.ts';
import type { Gateway } from './spend.ts';

/** One agent and its calls, as the proxy takes them through gate, ledger and meter; and an honest provider. */
export interface Caller {
  /** Calls that wait or run. */
  open(): number;
  /** The tunnel breaks: all its calls are called off. */
  leave(): void;
}

interface Frame {
  who: Who;
  paceMs: number;
  clock: Clock;
  now: () => number;
  dice: Dice;
  prices: Prices;
  books: Books;
  note: (what: string) => void;
  gateway: () => Gateway | null;
  isOver: () => boolean;
  onSent: () => void;
}

const models = ['claude-sonnet-4-6', 'claude-haiku-4-5', 'claude-opus-4-1', 'who-knows'];
/** Of one schedule, all agents together. */
const mostCalls = 200;
const provider = 'anthropic';

export function createCaller(frame: Frame): Caller {
  const { who, paceMs, clock, dice, books, note, gateway } = frame;
  const open = new Set<AbortController>();

  async function play(): Promise<void> {
    while (!frame.isOver() && books.calls.length < mostCalls) {
      await clock.sleep(dice.between(1, 2 * paceMs));
      const together = dice.pick([1, 1, 2, 4]);
      for (let n = 0; n < together && open.size < 6; n++) void begin();
      if (dice.chance(0.05)) for (const leave of open) if (dice.chance(0.5)) leave.abort();
      // An iteration ends, and the next one has a grant of its own.
      if (dice.chance(0.02)) endIteration();
    }
  }

  function endIteration(): void {
    for (const leave of open) leave.abort();
    try {
      gateway()?.ledger.endGrant(who.grant, frame.now());
    } catch (error) {
      if (!(error instanceof Died || error instanceof Full)) throw error;
    }
  }

  /** What a full disk refuses is tried once more. */
  function settle(ledger: Ledger, args: Parameters<Ledger['settle']>): void {
    try {
      ledger.settle(...args);
    } catch (error) {
      if (!(error instanceof Full)) throw error;
      ledger.settle(...args);
    }
  }

  async function begin(): Promise<void> {
    const to = gateway();
    if (to === null) return;
    const leave = new AbortController();
    open.add(leave);
    const call: TrueCall = {
      ...{ who: { ...who }, model: `${dice.pick(models)}[c${books.calls.length}]` },
      ...{ nth: null, worst: unknown, billed: none, isLost: false },
    };
    books.calls.push(call);
    await Promise.race([run(to, call, leave.signal), to.life.over]).catch((error: unknown) => {
      if (!(error instanceof Died || error instanceof Full) && !leave.signal.aborted) throw error;
    });
    open.delete(leave);
  }

  /** The order of `proxy.ts` and `forward.ts`. */
  async function run({ life, ledger, gate }: Gateway, call: TrueCall, signal: AbortSignal): Promise<void> {
    const facts = drawFacts(dice, call.model);
    const { priceKnown, ...need } = worstCase(frame.prices, provider, facts);
    const entry = await gate.enter({ who: call.who, model: call.model, priceKnown, need }, signal);
    if (entry.kind !== 'go') return note(`${call.model} of ${who.grant}: ${entry.kind} ${entry.shortfall.node}`);
    note(`${call.model} of ${who.grant}: goes with ${entry.worst.tokens} tokens`);
    const end = (status: number) => ({ at: frame.now(), status, refused: refusedOf(status), retryAt: null });
    try {
      await entry.stored;
    } catch {
      if (!life.dead) settle(ledger, [entry.id, end(0), nothing(call.model)]);
      return;
    }
    if (dice.chance(0.3)) await clock.sleep(dice.between(1, 50));
    if (life.dead) return;
    const isSent = !signal.aborted;
    const reserved = { provider, model: call.model, priceKnown, ...amountsOf(need.inputTokens, entry) } as const;
    const usage = drawUsage(dice, facts, reserved);
    const bill = (used: Usage) => billOf(used, frame.prices.of(provider, call.model, used).usd);
    if (isSent) {
      call.billed = bill(usage);
      frame.onSent();
    }
    if (isSent) await clock.sleep(dice.between(1, dice.pick([2_000, 300_000])), signal).catch(() => {});
    if (life.dead) return;
    const { status, seen, used } = drawEnd(dice, { model: call.model, usage, isCut: signal.aborted });
    if (isSent) call.billed = bill(used);
    const counted = countCall(reserved, { isSent, status, seen }, frame.prices);
    settle(ledger, [entry.id, end(isSent ? status : 0), counted]);
    note(`${call.model}: settled ${counted.counted}`);
    gate.changed();
  }

  void play();
  return {
    open: () => open.size,
    leave: () => {
      for (const leave of open) leave.abort();
    },
  };
}

function amountsOf(
  inputTokens: number,
  entry: { outputTokens: number; worst: Amounts },
): Pick<Reserved, 'inputTokens' | 'outputTokens' | 'usd'> {
  return { inputTokens, outputTokens: entry.outputTokens, usd: entry.worst.usd };
}

function refusedOf(status: number): 'upstream' | null {
  return status === 200 ? null : 'upstream';
}

function drawFacts(dice: Dice, model: string): RequestFacts {
  const outputTokens = dice.pick([16, 1_000, 8_000, 32_000]);
  return {
    model,
    outputTokens,
    floorTokens: Math.min(outputTokens, dice.pick([1, 1_024, 5_000])),
    toolNames: [],
    choices: 1,
    inputBytes: dice.between(10, dice.pick([100, 5_000, 60_000])),
    images: dice.chance(0.1) ? 1 : 0,
    isOpenEnded: dice.chance(0.03),
    webSearches: dice.chance(0.05) ? 2 : 0,
    cacheWrites: dice.pick(['none', 'short', 'long']),
    ...{ fast: dice.chance(0.1), inRegion: dice.chance(0.1), limits: [] },
  };
}

/** Anything up to the worst case, and now and then just that. */
function drawUsage(dice: Dice, facts: RequestFacts, reserved: Reserved): Usage {
  const share = () => dice.pick([1, dice.next(), dice.next() / 10]);
  const prompt = Math.max(1, Math.floor(reserved.inputTokens * share()));
  const cached = Math.floor(prompt * dice.pick([0, dice.next(), 1]));
  const isWritten = facts.cacheWrites !== 'none' && dice.chance(0.6);
  return {
    ...noUsage,
    inputTokens: prompt - cached,
    cacheWriteTokens: isWritten ? cached : 0,
    cacheWrite1hTokens: isWritten && facts.cacheWrites === 'long' ? cached : 0,
    cacheReadTokens: isWritten ? 0 : cached,
    outputTokens: Math.floor(reserved.outputTokens * share()),
    ...{ webSearches: facts.webSearches, fast: facts.fast, inRegion: facts.inRegion },
  };
}

interface CallEnd {
  status: number;
  seen: Seen | null;
  /** What is billed. */
  used: Usage;
}

function drawEnd(dice: Dice, { model, usage, isCut }: { model: string; usage: Usage; isCut: boolean }): CallEnd {
  const how = dice.next();
  if (!isCut && how < 0.05) return { status: dice.pick([429, 529, 401]), seen: unseen, used: noUsage };
  if (how < 0.15) return { status: 0, seen: null, used: usage };
  const saysInput = { ...unseen, model, saysInput: true, hidesOutput: false };
  if (!isCut && how < 0.9) {
    const whole = { saysOutput: true, isFinal: true, outputBytes: usage.outputTokens * 4, usage };
    return { status: 200, seen: { ...saysInput, ...whole }, used: usage };
  }
  // It broke off: what was billed of the output was delivered, at a byte for a token or more.
  const outputTokens = Math.floor(usage.outputTokens * dice.next());
  const used = { ...usage, outputTokens };
  const seen = { usage: { ...usage, outputTokens: 1 }, outputBytes: outputTokens * dice.between(1, 6) };
  return { status: 200, seen: { ...saysInput, ...seen }, used };
}

function billOf({ inputTokens, cacheWriteTokens, outputTokens }: Usage, usd: number): Amounts {
  const tokens = inputTokens + cacheWriteTokens + outputTokens;
  return { tokens, usd, calls: 1 };
}
