import { readFileSync } from 'node:fs';
import { type NodeBudget, nodeBudgetSchema } from '../../../src/contract/gateway.ts';
import { priceFile } from '../../../src/contract/prices.ts';
import { type BudgetUnit, budgetChain, budgetPeriods, budgetUnits } from '../../../src/domain/budget.ts';
import { createGate, type Gate } from '../../../src/gateway/budget/gate.ts';
import { createLedger, type Ledger } from '../../../src/gateway/ledger/ledger.ts';
import type { Sql } from '../../../src/gateway/ledger/sql.ts';
import type { Who } from '../../../src/gateway/ledger/who.ts';
import { createPrices } from '../../../src/gateway/meter/prices.ts';
import { createDice } from '../random.ts';
import { createVirtualClock } from '../virtual-clock.ts';
import { type Books, createBooks } from './books.ts';
import { type Caller, createCaller } from './caller.ts';
import { createDisk, Died, Full, type Life } from './disk.ts';

/**
 * One schedule of spending: the real gate, ledger and meter under a virtual clock; agents that call, alone and several at once;
 * limits raised, lowered and given other periods; agents, tunnels and the gateway that die at any of their steps, hosts that lose
 * their power, disks that are slow or fail, clocks that jump. In the end there is calm, and every call must have come to rest.
 */
export interface SpendOutcome {
  seed: number;
  violations: string[];
  trace: string[];
  crashes: number;
  steps: number;
  virtualMs: number;
}

export interface SpendOptions {
  withTrace?: boolean;
  /** A broken ledger, to prove that the simulation notices. */
  bend?: (sql: Sql) => Sql;
}

/** The gateway while it lives and the daemon has told it the limits. */
export interface Gateway {
  life: Life;
  ledger: Ledger;
  gate: Gate;
}

const timeZone = 'Europe/Berlin';
const start = Date.UTC(2026, 10, 21, 20);
const hour = 3_600_000;
const maxTimers = 20_000;
const prices = createPrices(priceFile.parse(JSON.parse(readFileSync('prices/prices.json', 'utf8'))), null);

export async function simulateSpend(
  seed: number,
  { withTrace = false, bend }: SpendOptions = {},
): Promise<SpendOutcome> {
  const clock = createVirtualClock(start);
  const dice = createDice(seed);
  const trace: string[] = [];
  const violations: string[] = [];
  const lengthMs = dice.pick([10 * 60_000, hour, 30 * hour]);
  const odds = {
    strike: dice.pick([0, 0.0005, 0.003]),
    syncFails: dice.pick([0, 0, 0.02]),
    full: dice.pick([0, 0, 0.01]),
    slowDisk: dice.pick([0, 0.1, 0.3]),
    jump: dice.pick([0, 0, 1]),
    /** Just after a call left. */
    power: dice.pick([0, 0.02, 0.05]),
  };
  let jumpedMs = 0;
  let crashes = 0;
  let boot = 1;
  let isCalm = false;
  let isChecking = false;
  let gateway: Gateway | null = null;
  const now = () => clock.now() + jumpedMs;
  const note = (what: string) => void (withTrace && trace.push(`${clock.now() - start} ${what}`));
  const disk = createDisk({
    ...{ clock, dice },
    strike: (life, where) => {
      if (isCalm || isChecking || !dice.chance(odds.strike)) return;
      die(life, where);
      throw new Died(where);
    },
    fill: () => {
      if (!isCalm && !isChecking && dice.chance(odds.full)) throw new Full('fault: the disk is full');
    },
    syncMs: () => (dice.chance(odds.slowDisk) ? dice.between(100, 5_000) : dice.between(1, 20)),
    syncFails: () => !isCalm && dice.chance(odds.syncFails),
  });
  const books = createBooks(disk, timeZone);
  const callers = drawCallers(dice);
  const nodes = [...new Set(callers.flatMap(({ who }) => budgetChain(who)))];
  const wanted = new Map<string, NodeBudget>();

  function die(life: Life, where: string): void {
    if (life.dead) return;
    note(`GATEWAY DIES ${where}`);
    crashes++;
    life.dead = true;
    life.end();
    gateway = null;
    void clock.sleep(dice.between(10, 5_000)).then(beBorn);
  }

  /** The daemon starts another one, and tells it the limits before anybody may call. */
  function beBorn(): void {
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const life: Life = { dead: false, over, end };
    try {
      const sql = disk.open(life);
      const frame = { now, timeZone, bootId: `boot-${boot}` };
      const ledger = createLedger(bend?.(sql) ?? sql, frame);
      const gate = createGate({ ledger: watched(ledger), clock: mortal(life) });
      const born = { life, ledger, gate };
      if (wanted.size > 0) tell(born, [...wanted.values()]);
      gateway = born;
      note('gateway is up');
    } catch (error) {
      if (error instanceof Full) die(life, 'before it was ready: its disk is full');
      else if (!(error instanceof Died)) throw error;
    }
  }

  function watched(ledger: Ledger): Ledger {
    return {
      ...ledger,
      reserve: (call) => {
        const reserved = ledger.reserve(call);
        if (reserved.kind === 'go') violations.push(...books.reserved(call.model, reserved.worst, call.at));
        return reserved;
      },
    };
  }

  function mortal(life: Life) {
    const never = () => new Promise<never>(() => {});
    return {
      now,
      sleep: (ms: number, signal?: AbortSignal) =>
        life.dead ? never() : clock.sleep(ms, signal).then(() => (life.dead ? never() : undefined)),
      after: (ms: number, call: () => void) => clock.after(ms, () => life.dead || call()),
    };
  }

  function tell({ ledger, gate }: { ledger: Ledger; gate: Gate | null }, budgets: NodeBudget[]): void {
    ledger.putBudgets(budgets);
    for (const budget of budgets) books.limits.set(budget.node, budget);
    gate?.changed();
  }

  function setLimit(): void {
    const node = dice.pick(nodes);
    const unit = dice.pick(budgetUnits);
    const before =
      wanted.get(node) ?? nodeBudgetSchema.parse({ node, per: 'day', tokens: null, usd: null, calls: null });
    const per = dice.chance(0.3) ? dice.pick(budgetPeriods) : before.per;
    const runSince = dice.chance(0.2) || per !== before.per ? now() : before.runSince;
    books.beginRun(runSince);
    const next = { ...before, per, runSince, [unit]: dice.chance(0.1) ? null : amountOf(unit, dice.next()) };
    wanted.set(node, next);
    note(`limit ${node} per ${per}: ${next.tokens} tokens, ${next.usd} usd, ${next.calls} calls`);
    try {
      if (gateway !== null) tell(gateway, [next]);
    } catch (error) {
      // Refused, it is not wanted either; where the gateway died of it, the next one is told.
      if (error instanceof Full) wanted.set(node, before);
      else if (!(error instanceof Died)) throw error;
    }
  }

  function losePower(): void {
    note('POWER CUT');
    if (gateway !== null) die(gateway.life, 'with its host');
    disk.cut();
    boot++;
    const known = new Set(
      disk.all('SELECT model FROM settlements UNION SELECT model FROM reservations').map((it) => it['model']),
    );
    for (const call of books.calls) if (!known.has(call.model)) call.isLost = true;
  }

  function onSent(): void {
    if (!isCalm && dice.chance(odds.power)) void clock.sleep(dice.between(0, 10)).then(losePower);
  }

  /** The daemon reads what was settled, now and then; what it was told is never taken back. */
  async function read(): Promise<void> {
    while (!isCalm) {
      await clock.sleep(dice.between(500, dice.pick([5_000, 600_000])));
      const from = gateway;
      if (from === null) continue;
      const page = await Promise.race([from.ledger.told(books.told.length, 50).catch(() => null), from.life.over]);
      if (page && !from.life.dead) books.told.push(...page.settlements);
    }
  }

  const troubles: Record<string, () => void> = {
    limit: setLimit,
    kill: () => gateway !== null && die(gateway.life, 'by a signal'),
    power: losePower,
    tunnel: () => {
      for (const caller of playing) caller.leave();
    },
    jump: () => {
      if (!dice.chance(odds.jump)) return;
      jumpedMs += dice.pick([-40 * 24 * hour, -24 * hour, -hour, -60_000, 60_000, hour, 24 * hour]);
      note(`the clock jumps to ${new Date(now()).toISOString()}`);
    },
  };

  async function trouble(): Promise<void> {
    while (!isCalm) {
      await clock.sleep(dice.between(1_000, lengthMs / 8));
      if (!isCalm) troubles[dice.pick(['limit', 'limit', ...Object.keys(troubles)])]?.();
    }
  }

  for (let n = 0; n < 4; n++) setLimit();
  beBorn();
  const playing: Caller[] = callers.map((caller) =>
    createCaller({
      ...caller,
      clock,
      now,
      dice,
      prices,
      books,
      note,
      gateway: () => gateway,
      isOver: () => isCalm,
      onSent,
    }),
  );
  void trouble();
  void read();
  let version = '';
  let hasEnded = false;
  let steps = 0;
  for (; steps < maxTimers && violations.length === 0; steps++) {
    const settled = clock.step();
    if (settled === null) {
      if (hasEnded || gateway === null) break;
      // What a full disk kept from being settled is found at the next start.
      hasEnded = true;
      die((gateway as Gateway).life, 'for the last time');
      continue;
    }
    await settled;
    if (!isCalm && clock.now() - start > lengthMs) {
      isCalm = true;
      note('calm');
    }
    const { written, cuts } = disk.version();
    const next = `${written} ${cuts} ${gateway === null}`;
    if (next === version) continue;
    version = next;
    const at = now();
    isChecking = true;
    violations.push(...books.check((gateway as Gateway | null)?.ledger.levels(nodes, at) ?? null, at));
    isChecking = false;
  }
  if (violations.length === 0)
    violations.push(...atRest(books, disk.all('SELECT id FROM reservations').length, playing));
  for (const violation of violations) note(violation);
  return { seed, violations, trace, crashes, steps, virtualMs: clock.now() - start };
}

function atRest(books: Books, reserved: number, playing: readonly Caller[]): string[] {
  const open = playing.reduce((sum, caller) => sum + caller.open(), 0);
  const left = reserved > 0 ? [`${reserved} reservations were left`] : [];
  return open > 0 ? [...left, `${open} of ${books.calls.length} calls never came to rest`] : left;
}

function drawCallers(dice: ReturnType<typeof createDice>): { who: Who; paceMs: number }[] {
  const tasks = Array.from({ length: dice.between(1, 4) }, (_, at) => `T${at + 1}`);
  return tasks.flatMap((task) => {
    const project = dice.pick(['p', 'q']);
    const roles = dice.chance(0.4) ? (['implementer', 'reviewer'] as const) : (['implementer'] as const);
    return roles.map((role) => ({
      who: {
        grant: `${task}-${role}`,
        project,
        task,
        role,
        ralph: `${role}-${dice.between(1, 2)}`,
        iteration: `it-${task}`,
      },
      paceMs: dice.pick([300, 5_000, 60_000]),
    }));
  });
}

function amountOf(unit: BudgetUnit, share: number): number {
  if (unit === 'calls') return 1 + Math.floor(share * 40);
  if (unit === 'tokens') return 1_000 + Math.floor(share * 200_000);
  return 0.01 + share * 2;
}
