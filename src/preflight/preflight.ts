import type { Found } from '../credentials/found.ts';
import type { CredentialSource, CredentialState } from '../domain/credential.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import type { Driver } from '../drivers/driver.ts';
import type { ImageBuilder } from '../images/builder.ts';
import type { Clock } from '../lib/clock.ts';
import { asFleetError, formatError } from '../lib/errors.ts';
import type { Exec } from '../lib/exec.ts';
import type { Paths } from '../lib/paths.ts';
import type { Host } from './host.ts';
import type { Upkeep } from './upkeep.ts';

/**
 * What `doctor` and `up` look at before anything is changed. Checks only read; they run side by side, each with a deadline,
 * and every failure is reported at once. `fail` means `up` would not work; `warn` means it works, but worse than it could.
 */
export interface PreflightCheck {
  id: string;
  /** One or two words: the first column of the table. */
  title: string;
  /** Why it matters, for people; half a line. */
  why: string;
  /** Milliseconds before it counts as hanging; default 10 s. */
  deadlineMs?: number;
  run(ctx: PreflightContext): Promise<Finding>;
}

export type CheckState = 'ok' | 'warn' | 'fail' | 'skip';

export interface Finding {
  state: CheckState;
  /** What was found, for people: `virsh 11.3.0`, `no such command`. */
  found: string;
  /** The command or act that mends it; always there on `fail`. */
  remedy?: string;
  /** What of it can be mended without any risk; `doctor --fix` does. */
  mends?: Mend[];
}

export interface Mend {
  /** What it would do: `remove …`. */
  what: string;
  /** Looks again first; may be cut off and made again. Resolves with what became of it, for people. */
  run(): Promise<string>;
}

export interface PreflightContext {
  exec: Exec;
  clock: Clock;
  host: Host;
  paths: Paths;
  upkeep: Upkeep;
  /** Opens the driver and builder that would be used; each is opened and asked at most once. May throw: then its check fails. */
  driver: () => Promise<Pick<Driver, 'name' | 'wall' | 'probe'> & Partial<Pick<Driver, 'list' | 'space'>>>;
  builder: () => Promise<Pick<ImageBuilder, 'name' | 'probe'>>;
  /** What fleet.yaml asks for; `atOnce`: VMs `up` would start at once. */
  wanted: Pick<FleetConfig, 'vms' | 'roles' | 'host'> & { atOnce: number };
  /** Of the provider whose models the agents call; null when they call none. */
  credential: CredentialAt | null;
  /** The newest layout of fleet.db this version understands; null when the caller does not know. */
  stateVersion: number | null;
  /** How the user runs scripts/setup from here. */
  setupCommand: string;
  /** A version or path of node that runs this; process.versions.node. */
  nodeVersion: string;
}

/** Where a credential is looked for. */
export interface CredentialAt {
  /** As a gateway that runs sees it; null when none does. */
  running(): Promise<RunningCredential | null>;
  /** As fleet.yaml and people chose. */
  source(): Promise<CredentialSource>;
  look(source: CredentialSource): Promise<Found>;
}

export interface RunningCredential {
  provider: string;
  /** In the words of `saySource`. */
  source: string;
  state: CredentialState | 'unknown';
  kind: 'key' | 'subscription' | null;
  why: string | null;
  remedy: string | null;
}

export interface CheckResult extends Finding {
  id: string;
  title: string;
  why: string;
  ms: number;
}

export interface PreflightResult {
  /** True when `up` would work: nothing failed. Decides doctor's exit code (0, else 4). */
  ready: boolean;
  failed: number;
  warned: number;
  checks: CheckResult[];
}

const defaultDeadlineMs = 10_000;

/** Never throws; changes nothing. Results come in the order of the checks, whichever ended first. */
export async function runPreflight(ctx: PreflightContext, checks: readonly PreflightCheck[]): Promise<PreflightResult> {
  const shared = askOnce(ctx);
  const results = await Promise.all(checks.map((check) => runCheck(check, shared)));
  const failed = results.filter((result) => result.state === 'fail').length;
  const warned = results.filter((result) => result.state === 'warn').length;
  return { ready: failed === 0, failed, warned, checks: results };
}

async function runCheck(check: PreflightCheck, ctx: PreflightContext): Promise<CheckResult> {
  const began = ctx.clock.now();
  const done = new AbortController();
  const deadlineMs = check.deadlineMs ?? defaultDeadlineMs;
  const tooLate = ctx.clock.sleep(deadlineMs, done.signal).then((): Finding => {
    return {
      state: 'fail',
      found: `no answer within ${deadlineMs / 1000} s`,
      remedy: `look why it hangs: ${check.why}`,
    };
  });
  tooLate.catch(() => {}); // called off: the check was quicker
  const finding = await Promise.race([runSafely(check, ctx), tooLate]);
  done.abort();
  return { id: check.id, title: check.title, why: check.why, ms: ctx.clock.now() - began, ...finding };
}

async function runSafely(check: PreflightCheck, ctx: PreflightContext): Promise<Finding> {
  try {
    return await check.run(ctx);
  } catch (error) {
    const known = asFleetError(error);
    return { state: 'fail', found: formatError(known).split('\n')[0] ?? '', remedy: known.remedy ?? ctx.setupCommand };
  }
}

/** A probe may start a VM: several checks read one answer. */
function askOnce(ctx: PreflightContext): PreflightContext {
  const driver = once(async () => {
    const opened = await ctx.driver();
    return { ...opened, probe: once(() => opened.probe()) };
  });
  const builder = once(async () => {
    const opened = await ctx.builder();
    return { name: opened.name, probe: once(() => opened.probe()) };
  });
  return { ...ctx, driver, builder };
}

function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | null = null;
  return () => {
    answer ??= ask();
    return answer;
  };
}
