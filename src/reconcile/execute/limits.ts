import type { FleetConfig } from '../../domain/fleet.ts';
import { sayOutage, sayUnknownModel, unknownModelFault } from '../../domain/outage.ts';
import type { Task } from '../../domain/task.ts';
import { limitFor, resumeSpreadMs, resumesAt, sayLimit, type UsageLimit } from '../../domain/usage-limit.ts';
import { backoffMs, spreadMs } from '../../lib/backoff.ts';
import type { ExecuteDeps } from './deps.ts';

type Deps = Pick<ExecuteDeps, 'store' | 'clock' | 'agent' | 'config'>;

/** What a person wants to be tried is tried: should it hold still, the next call says so. */
export async function liftLimits({ store, gateway }: Pick<ExecuteDeps, 'store' | 'gateway'>): Promise<void> {
  for (const { id, since, lifted } of store.alive.limits.rows()) if (lifted) await gateway.liftLimit(id, since);
}

/** As the gateway tells them, so that they are known without it, and after a restart of the host. */
export function keepLimits({ store, clock }: Pick<Deps, 'store' | 'clock'>, told: readonly UsageLimit[]): void {
  const now = clock.now();
  for (const limit of told) {
    const known = store.limits.get(limit.id);
    if (known === null) {
      store.limits.insert({ ...limit, lifted: false });
      store.events.add('limit.began', 'fleet', `Nothing calls ${limit.provider} for now: ${sayLimit(limit)}.`);
    } else if ((Object.keys(limit) as (keyof UsageLimit)[]).some((key) => limit[key] !== known[key])) {
      // Tried once, it may hold again.
      store.limits.update(limit.id, { ...limit, lifted: known.lifted && known.since === limit.since });
    }
  }
  for (const { id, provider, until, lifted } of store.alive.limits.rows()) {
    if (told.some((limit) => limit.id === id)) continue;
    const isReset = now >= until;
    // What was limited together does not go on together (`resumesAt`).
    if (isReset && !lifted && now < until + resumeSpreadMs) continue;
    store.limits.remove(id);
    const why = lifted
      ? 'is tried'
      : isReset
        ? 'was reset'
        : 'holds no longer: another credential, or a smaller share is kept free';
    store.events.add('limit.ended', 'fleet', `The usage limit of ${provider} ${why}.`);
  }
}

export function limitOfTask({ store, clock, agent, config }: Deps, task: Task): UsageLimit | null {
  const { provider } = agent(task.agent);
  const model = modelOf(config(), task);
  return limitFor(store.alive.limits.rows(), { provider, model, who: task.id, now: clock.now() });
}

/** What it works with; null where its agent CLI chooses. */
function modelOf({ agent }: FleetConfig, task: Task): string | null {
  return task.model ?? agent.model;
}

const firstRetryMs = 10_000;
const longestRetryMs = 30 * 60_000;

/** In a person's words, each null where it is not so. */
interface ProviderTrouble {
  usageLimit: string | null;
  outage: string | null;
  unknownModel: string | null;
  retryAt: number | null;
}

/** What the gateway saw of the provider in an iteration, and when it may go on. A guest has no say in it. */
export function providerTrouble(deps: Deps, task: Task, iteration: string): ProviderTrouble {
  const { fault = null, faults = 0 } = deps.store.spend.ofIteration(iteration) ?? {};
  const none = { usageLimit: null, outage: null, unknownModel: null, retryAt: null };
  if (fault === null) return none;
  const { provider } = deps.agent(task.agent);
  if (fault === unknownModelFault) {
    const asked = modelOf(deps.config(), task);
    return { ...none, unknownModel: sayUnknownModel(provider, asked, task.model !== null) };
  }
  const limit = fault === 'limit' ? limitOfTask(deps, task) : null;
  if (limit !== null) return { ...none, usageLimit: sayLimit(limit), retryAt: resumesAt(limit, task.id) };
  const waitMs = backoffMs(task.uncounted + 1, firstRetryMs, longestRetryMs);
  const outage = sayOutage(provider, { fault, faults });
  return { ...none, outage, retryAt: deps.clock.now() + waitMs + spreadMs(iteration, waitMs / 4) };
}
