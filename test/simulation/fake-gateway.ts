import type { GatewayPort, SaidByTools, SettledCall } from '../../src/loop/ports.ts';
import type { Dice } from './random.ts';

/** A gateway in memory: every grant spends a little; a few calls are refused or limited. Outlives a crash of the daemon. */
export interface FakeGateway {
  port: GatewayPort;
  ledger: SettledCall[];
  openTunnels: Set<string>;
  /** An agent calls a tool; nothing comes of it once its grant has ended. */
  say(iteration: string, verb: string, given: object): void;
  said: Map<string, SaidByTools>;
}

export function createFakeGateway(dice: Dice, now: () => number): FakeGateway {
  const ledger: SettledCall[] = [];
  const openTunnels = new Set<string>();
  const known = new Set<string>();
  const revoked = new Set<string>();
  const said = new Map<string, SaidByTools>();
  const limits = new Map<string, number | null>();

  /** Mostly the task's or the review's own level; now and then the fleet's, until its period ends. */
  function shortfallOf(grant: Parameters<GatewayPort['grant']>[0]): SettledCall['shortfall'] {
    if (!dice.chance(0.04)) return null;
    const own = `${grant.role === 'reviewer' ? 'review' : 'task'}:${grant.task}`;
    const [node, per, until] = dice.chance(0.3)
      ? (['fleet', 'day', now() + 90_000] as const)
      : ([own, 'total', null] as const);
    const limit = limits.get(node) ?? 0;
    return { node, unit: 'usd', per, limit, used: limit, needed: 1, until };
  }

  const port: GatewayPort = {
    openTunnel: async (vm) => void openTunnels.add(vm.id),
    closeTunnel: async (id) => void openTunnels.delete(id),
    openRegistries: async (vm) => {
      if (!openTunnels.has(vm)) throw new Error(`registries for ${vm}, which has no tunnel`);
    },
    tunnels: async () => [...openTunnels],
    grant: async (grant) => {
      if (known.has(grant.iteration)) return;
      known.add(grant.iteration);
      const seenAt = dice.chance(0.03) ? null : now();
      said.set(grant.iteration, { calls: [], refused: 0, arrived: { prompt: seenAt, tools: seenAt } });
      const limited = dice.chance(0.05);
      const shortfall = shortfallOf(grant);
      ledger.push({
        seq: ledger.length + 1,
        task: grant.task,
        iteration: grant.iteration,
        model: 'm',
        tokens: 100,
        usd: 0.01,
        calls: shortfall === null ? 1 : 0,
        refused: shortfall === null ? null : 'usd',
        retryAt: limited ? now() + 120_000 : null,
        shortfall,
        warnings: [],
        flags: [],
      });
    },
    revoke: async (iteration) => void revoked.add(iteration),
    setBudgets: async (budgets) => {
      for (const { node, usd } of budgets) limits.set(node, usd);
    },
    levels: async () => [],
    said: async (iteration) =>
      structuredClone(said.get(iteration) ?? { calls: [], refused: 0, arrived: { prompt: null, tools: null } }),
    settlements: async (after, limit) => ledger.filter((call) => call.seq > after).slice(0, limit),
  };
  const say = (iteration: string, verb: string, given: object) => {
    if (!revoked.has(iteration)) said.get(iteration)?.calls.push({ at: now(), verb, given });
  };
  return { port, ledger, openTunnels, say, said };
}
