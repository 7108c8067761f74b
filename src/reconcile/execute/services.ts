import type { Service } from '../../domain/project.ts';
import { type GuestAddress, type JobSpec, type JobState, ralphUser, workspaceFolder } from '../../guest/guest.ts';
import { cleanText, tailText } from '../../lib/clean-text.ts';
import type { ExecuteDeps } from './deps.ts';

const lookEveryMs = 1000;
/** Longer than any VM of a task lives. */
const forEverSeconds = 30 * 86_400;

/**
 * A project's services in one VM: each is a job of its own, with a window in the tmux, beside agents and checks. Returns when all
 * can be used or cannot be, with what is wrong. They hold nobody up: what needs one that is not there fails by itself.
 */
export async function startServices(
  { guests, clock }: Pick<ExecuteDeps, 'guests' | 'clock'>,
  address: GuestAddress,
  services: readonly Service[],
  readySeconds = 120,
): Promise<string[]> {
  for (const { name, run, ready } of services) {
    await guests.startJob(address, job(`sv-${name}`, name, run, forEverSeconds));
    // Asked for in the guest: a question over ssh takes longer than most services need.
    const wait = `until { ${ready}\n} >/dev/null 2>&1; do sleep 0.2; done`;
    if (ready !== null) await guests.startJob(address, job(`sr-${name}`, `${name} ready`, wait, readySeconds));
  }
  for (;;) {
    const jobs = new Map((await guests.jobs(address)).map((each) => [each.id, each]));
    const states = services.map((service) => ({ service, state: stateOf(service, jobs, readySeconds) }));
    if (!states.some(({ state }) => state === 'starting')) {
      const failed = states.flatMap(({ service, state }) => (state === 'up' ? [] : [{ service, why: state }]));
      return Promise.all(failed.map(({ service, why }) => describe(guests, address, { service, why, jobs })));
    }
    await clock.sleep(lookEveryMs);
  }
}

function stateOf({ name, ready }: Service, jobs: ReadonlyMap<string, JobState>, readySeconds: number): string {
  const own = jobs.get(`sv-${name}`);
  if (own?.state === 'ended') return `ended with exit code ${own.end?.exitCode ?? 'unknown'}`;
  if (own?.state !== 'running') return 'is gone';
  if (ready === null) return 'up';
  const asked = jobs.get(`sr-${name}`);
  if (asked?.state === 'running') return 'starting';
  return asked?.end?.exitCode === 0 ? 'up' : `was not ready after ${readySeconds} s`;
}

async function describe(
  guests: ExecuteDeps['guests'],
  address: GuestAddress,
  { service, why, jobs }: { service: Service; why: string; jobs: ReadonlyMap<string, JobState> },
): Promise<string> {
  const own = jobs.get(`sv-${service.name}`);
  const from = Math.max(0, (own?.streamBytes ?? 0) - 2000);
  const said = own === undefined ? new Uint8Array() : await guests.readStream(address, own.id, from, 2000);
  const tail = tailText(cleanText(new TextDecoder().decode(said)).trim(), 1000);
  return `The service \`${service.name}\` ${why}.${tail === '' ? '' : `\n${tail}`}`;
}

function job(id: string, title: string, run: string, timeoutSeconds: number): JobSpec {
  return {
    id,
    kind: 'setup',
    user: ralphUser,
    title,
    cwd: `/home/${ralphUser}/${workspaceFolder}`,
    argv: ['/bin/sh', '-c', `exec 2>&1\n${run}`],
    checks: [],
    env: {},
    files: [],
    paneFilter: null,
    timeoutSeconds,
    maxStreamBytes: 256 * 1024 * 1024,
  };
}
