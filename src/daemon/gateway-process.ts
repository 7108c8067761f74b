import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type Figure,
  gatewayVersion,
  type Health,
  type Level,
  type Settlement,
  type SpentBy,
  type TunnelState,
} from '../contract/gateway.ts';
import { sessionEnvironment } from '../credentials/keychain.ts';
import {
  type CredentialLook,
  type CredentialSource,
  defaultSource,
  type Provider,
  providers,
  variableOf,
} from '../domain/credential.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import { createGatewayClient, type GatewayClient, type Look } from '../gateway/client.ts';
import type { Clock } from '../lib/clock.ts';
import { sha256 } from '../lib/digest.ts';
import { FleetError, isFleetError } from '../lib/errors.ts';
import { networkEnvironment, spawnDetached } from '../lib/exec.ts';
import type { Log } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';
import type { GatewayPort, NodeBudget, SettledCall } from '../loop/ports.ts';
import type { FindRegistry } from './registries.ts';

export interface GatewayProcessDeps {
  paths: Paths;
  clock: Clock;
  log: Log;
  config: () => FleetConfig;
  env: Record<string, string | undefined>;
  sshKeyFile: string;
  findRegistry: FindRegistry;
  /** Where credentials are to come from. */
  credentials: () => CredentialWish[];
  /** For tests: where its guests' socket is. */
  extraArgs?: readonly string[];
}

export type CredentialWish = { provider: Provider; source: CredentialSource };

const startDeadlineMs = 20_000;

/** What passes through is soon over: with little room for young objects the process stays small under many streams. */
export const gatewayNodeFlags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=2'];
const endMs = 10_000;

/** The gateway seen from the daemon: started when it does not answer, never stopped with the daemon. */
export interface GatewayProcess {
  port: GatewayPort;
  /** Starts it unless one answers. */
  ensure(): Promise<void>;
  /** For `budget show`: told what is wanted, it says how it stands; nulls while it cannot be asked. */
  budgets(
    wanted: readonly NodeBudget[],
    one: string | null,
  ): Promise<{ levels: Level[] | null; spent: SpentBy | null }>;
  /** How it stands with these levels of the budget tree; null when it does not answer soon. Starts none. */
  look(nodes: readonly string[]): Promise<GatewayLook | null>;
  /** Says where credentials come from, and hears how they stand, of a gateway that runs. `again`: what this provider turned down is tried once more. */
  credentials(again: Provider | null): Promise<CredentialLook[]>;
  /** Puts a new gateway, of this program, in the place of the one that runs: that one ends when what it has begun is over. */
  upgrade(): Promise<Health>;
  /** For `purge` only. */
  end(): Promise<void>;
}

export interface GatewayLook {
  openCalls: number;
  tunnels: TunnelState[];
  levels: Level[];
  figures: Figure[];
  spans: Health['traces'];
}

/** Who looks does not wait as long as who needs it. */
const lookMs = 2_000;

export function createGatewayProcess(deps: GatewayProcessDeps): GatewayProcess {
  const client = createGatewayClient(deps.paths.gatewaySocket);
  let starting: Promise<void> | null = null;

  /** Who comes while one is being started waits for that one. */
  function inTurn(begin: () => Promise<void>): Promise<void> {
    starting ??= begin().finally(() => {
      starting = null;
    });
    return starting;
  }

  function ensure(): Promise<void> {
    return inTurn(() => start(deps, client));
  }

  /** A call that finds no gateway starts one and is made again, once. */
  async function withGateway<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!isFleetError(error, 'gateway_unavailable')) throw error;
      await ensure();
      return call();
    }
  }

  const credentials = (again: Provider | null) =>
    client.credentials(deps.credentials().map((wish) => ({ ...wish, again: wish.provider === again })));

  return {
    ensure,
    credentials,
    async budgets(wanted, one) {
      try {
        await withGateway(() => client.putBudgets(wanted));
        const levels = await levelsOf(
          client,
          wanted.map(({ node }) => node),
        );
        return { levels, spent: one === null ? null : await client.spentBy(one) };
      } catch (error) {
        deps.log.warn({ err: error }, 'the gateway could not be asked for budgets');
        return { levels: null, spent: null };
      }
    },
    async look(nodes) {
      const none = () => [];
      const asked = Promise.all([
        client.health(),
        client.tunnels(),
        levelsOf(client, nodes),
        client.figures().catch(none), // an older one has none
      ]);
      let callOff = () => {};
      const late = new Promise<null>((resolve) => {
        callOff = deps.clock.after(lookMs, () => resolve(null));
      });
      const found = await Promise.race([asked.catch(() => null), late]);
      callOff();
      if (found === null) return null;
      const [{ openStreams, traces: spans }, tunnels, levels, figures] = found;
      return { openCalls: openStreams, tunnels, levels, figures, spans };
    },
    async upgrade() {
      await starting?.catch(() => {});
      const before = await client.look();
      await inTurn(() => launch(deps, client, before));
      return client.health();
    },
    async end() {
      const health = await client.health().catch(() => null);
      if (health === null) return;
      const pids = [health.pid, ...health.leaving.map(({ pid }) => pid)];
      for (const pid of pids) tell(pid, 'SIGTERM');
      // Their folder is removed next; they must not write there any more.
      for (const until = deps.clock.now() + endMs; deps.clock.now() < until && pids.some((pid) => tell(pid, 0)); )
        await deps.clock.sleep(100);
    },
    port: {
      openTunnel: ({ id, endpoint, hostKey }) =>
        withGateway(() => client.putTunnel(id, { endpoint, hostKey, privateKeyFile: deps.sshKeyFile })),
      closeTunnel: (id) => client.deleteTunnel(id),
      openRegistries: async (vm, kinds, expiresAt) => {
        const registries = await Promise.all(kinds.map(deps.findRegistry));
        await withGateway(() => client.putMirror(vm, { registries, expiresAt }));
      },
      credentials: () => withGateway(() => credentials(null)),
      tunnels: async () => (await client.tunnels()).map((tunnel) => tunnel.vm),
      grant: ({ token, iteration, ...grant }) =>
        withGateway(() => client.putGrant(iteration, { ...grant, iteration, tokenHash: sha256(token) })),
      calls: async () => new Map((await client.calls()).map(({ grant, ...calls }) => [grant, calls])),
      revoke: (iteration) => withGateway(() => client.deleteGrant(iteration)),
      setBudgets: (budgets) => withGateway(() => client.putBudgets(budgets)),
      levels: (nodes) => levelsOf(client, nodes),
      setKeepFree: (share) => withGateway(() => client.putKeepFree(share)),
      liftLimit: (id, since) => client.deleteLimit(id, since),
      limits: () => client.limits(),
      settlements: async (after, limit) => {
        // Asked while iterations are open: a gateway that died meanwhile is started for them.
        const { settlements } = await withGateway(() => client.settlements(after, limit));
        return settlements.map(settledCall);
      },
      said: (iteration) => client.said(iteration),
    },
  };
}

/** A query has room for so many names. */
async function levelsOf(client: GatewayClient, nodes: readonly string[]): Promise<Level[]> {
  const levels: Level[] = [];
  for (let at = 0; at < nodes.length; at += 200) levels.push(...(await client.levels(nodes.slice(at, at + 200))));
  return levels;
}

function settledCall(call: Settlement): SettledCall {
  const { seq, task, iteration, model, usd, refused, fault, shortfall, warnings, flags } = call;
  const isCall =
    refused === null ||
    ((refused === 'upstream' || refused === 'credential') && (call.status !== 0 || call.counted !== 'nothing'));
  const tokens = call.inputTokens + call.cacheWriteTokens + call.outputTokens;
  return {
    seq,
    task,
    iteration,
    model,
    usd,
    refused,
    fault,
    shortfall,
    warnings,
    flags,
    tokens,
    calls: isCall ? 1 : 0,
    imputedUsd: call.imputed ? usd : 0,
    metered: {
      at: call.at,
      role: call.role,
      input: call.inputTokens,
      output: call.outputTokens,
      cacheRead: call.cacheReadTokens,
      cacheWrite: call.cacheWriteTokens,
      isKnown: call.priceKnown !== false,
    },
  };
}

async function start(deps: GatewayProcessDeps, client: GatewayClient): Promise<void> {
  const found = await client.look();
  if (found?.version !== gatewayVersion) await launch(deps, client, found);
}

/** A gateway of this program; it takes over where another one answers. */
async function launch(deps: GatewayProcessDeps, client: GatewayClient, before: Look | null): Promise<void> {
  const { paths, clock, log } = deps;
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const entry = fileURLToPath(new URL(`./gateway-main.${ending}`, import.meta.url));
  const logFile = paths.gatewayLog;
  const logFd = openSync(logFile, 'a', 0o600);
  const takeOver = before === null ? [] : ['--take-over'];
  let pid: number;
  try {
    pid = spawnDetached([process.execPath, ...gatewayNodeFlags, entry, ...takeOver, ...(deps.extraArgs ?? [])], {
      env: environment(deps),
      logFd,
      cwd: '/',
    });
    log.info({ pid, before: before?.pid }, 'the gateway is started');
  } finally {
    closeSync(logFd);
  }
  let isAlive = true;
  for (const end = clock.now() + startDeadlineMs; isAlive && clock.now() < end; ) {
    isAlive = tell(pid, 0);
    const now = await client.health().catch(() => null);
    if (now !== null && now.pid !== before?.pid) return; // another one may have been quicker: that is as good
    await clock.sleep(100);
  }
  const found = isAlive ? `is not ready after ${startDeadlineMs / 1000} s` : 'has ended at once';
  const stays = (await client.look()) === null ? '' : ` The one that ran (pid ${before?.pid}) goes on.`;
  throw new FleetError('gateway_unavailable', `The new gateway ${found}.${stays}`, { remedy: `less ${logFile}` });
}

/** A credential reaches the gateway through its environment, or from where it looks itself: never through an argument. */
function environment({ config, env, credentials }: GatewayProcessDeps): Record<string, string> {
  const child: Record<string, string> = {
    ...sessionEnvironment(env),
    ...networkEnvironment(env),
    // Days and months begin for the gateway where they begin for the user.
    ...pick(env, ['TZ', 'CLAUDE_CONFIG_DIR']),
    ANTHROPIC_UPSTREAM: config().upstream.anthropic,
    OPENAI_UPSTREAM: config().upstream.openai,
  };
  const wanted = credentials();
  const sources = [...wanted.map(({ source }) => source), ...Object.values(config().credentials)];
  const usual = [...providers.map((provider) => defaultSource(provider)), defaultSource('anthropic', 'setup-token')];
  const names = [...new Set([...sources, ...usual].flatMap(variableOf))];
  return {
    ...child,
    ...pick(env, names),
    RALPH_FLEET_SECRETS: names.join(','),
    RALPH_FLEET_CREDENTIALS: JSON.stringify(wanted),
  };
}

function pick(env: GatewayProcessDeps['env'], names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

/** False when there is no such process. */
function tell(pid: number, signal: 'SIGTERM' | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
