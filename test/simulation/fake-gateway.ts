import type { CredentialState } from '../../src/domain/credential.ts';
import type { UsageLimit } from '../../src/domain/usage-limit.ts';
import type { GatewayPort, SaidByTools, SettledCall } from '../../src/loop/ports.ts';
import type { Dice } from './random.ts';

/** A gateway in memory: every grant spends a little; a few calls are refused, limited or fail. Outlives a crash of the daemon. */
export interface FakeGateway {
  port: GatewayPort;
  ledger: SettledCall[];
  openTunnels: Set<string>;
  /** The usage limit that holds, as the provider knows it. */
  limit(): UsageLimit | null;
  /** The person has taken another credential. */
  lift(): void;
  /** From now on the host's credential stands so. */
  setCredential(state: CredentialState): void;
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
  let held: UsageLimit | null = null;

  function limit(): UsageLimit | null {
    return held !== null && now() < held.until ? held : null;
  }

  /** Why the provider gives no answer, or null. */
  function faultOf(): string | null {
    if (limit() !== null) return 'limit';
    if (dice.chance(0.05)) {
      const cause = dice.pick(['reached', 'kept-free'] as const);
      const until = now() + dice.between(70_000, 1_800_000);
      held = {
        id: `anthropic:${dice.hex(6)}:5h`,
        provider: 'anthropic',
        window: '5h',
        cause,
        usedRatio: 1,
        since: now(),
        until,
      };
      return 'limit';
    }
    return dice.chance(0.05) ? dice.pick(['529', 'ECONNREFUSED']) : null;
  }
  let credential = { state: 'present' as CredentialState, since: now() };

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
      const noCredential = credential.state !== 'present';
      const shortfall = noCredential ? null : shortfallOf(grant);
      const fault = noCredential || shortfall !== null ? null : faultOf();
      ledger.push({
        seq: ledger.length + 1,
        task: grant.task,
        iteration: grant.iteration,
        model: 'm',
        tokens: 100,
        usd: 0.01,
        imputedUsd: 0,
        calls: shortfall === null && fault === null && !noCredential ? 1 : 0,
        refused: noCredential ? 'credential' : shortfall !== null ? 'usd' : fault === null ? null : 'upstream',
        fault,
        shortfall,
        warnings: [],
        flags: [],
        metered: { at: now(), role: grant.role, input: 80, output: 20, cacheRead: 0, cacheWrite: 0, isKnown: true },
      });
    },
    credentials: async () => [
      {
        ...{
          provider: 'anthropic',
          source: { from: 'env', name: 'X' },
          kind: 'key',
          fingerprint: 'f',
          why: null,
          remedy: null,
        },
        ...credential,
      },
    ],
    revoke: async (iteration) => void revoked.add(iteration),
    calls: async () => new Map(ledger.map(({ iteration }) => [iteration, { open: 0, begun: 1 }])),
    setBudgets: async (budgets) => {
      for (const { node, usd } of budgets) limits.set(node, usd);
    },
    levels: async () => [],
    setKeepFree: async () => {},
    liftLimit: async (id, since) => {
      if (held?.id === id && held.since <= since) held = null;
    },
    limits: async () => ({ limits: [limit()].filter((it) => it !== null), windows: [] }),
    said: async (iteration) =>
      structuredClone(said.get(iteration) ?? { calls: [], refused: 0, arrived: { prompt: null, tools: null } }),
    settlements: async (after, limit) => ledger.filter((call) => call.seq > after).slice(0, limit),
  };
  return {
    port,
    ledger,
    openTunnels,
    said,
    say: (iteration, verb, given) => {
      if (!revoked.has(iteration)) said.get(iteration)?.calls.push({ at: now(), verb, given });
    },
    setCredential: (state) => {
      credential = { state, since: now() };
    },
    limit,
    lift: () => {
      held = null;
    },
  };
}
