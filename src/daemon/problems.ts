import { credentialProblems } from '../domain/credential.ts';
import { pressureProblems } from '../domain/pressure.ts';
import type { Clock } from '../lib/clock.ts';
import type { LiveProblem } from '../queries/deps.ts';
import type { Control } from '../reconcile/control.ts';

export interface ProblemsDeps {
  control: () => { runner: Pick<Control['runner'], 'failures' | 'passFailure' | 'lastPass'> };
  host: () => { diskFreeGiB: number | null };
  clock: Clock;
  /** Of other parts. */
  more: () => LiveProblem[];
}

/** A step that failed this often is a problem a person should see. */
const troublesAfter = 3;
/** A driver that is silent this long will hardly come back by itself. */
const patienceMs = 60_000;
const tightGiB = 2;
const fullGiB = 0.5;

/** What is wrong now and no row says: a pass or a step that fails, a silent driver, a full disk. */
export function createProblems({ control, host, clock, more }: ProblemsDeps): () => LiveProblem[] {
  let tightSince: number | null = null;
  return () => {
    const { runner } = control();
    const { diskFreeGiB } = host();
    const pressure = runner.lastPass()?.world.observed.host?.pressure ?? null;
    tightSince = diskFreeGiB === null || diskFreeGiB >= tightGiB ? null : (tightSince ?? clock.now());
    return [
      ...passProblem(runner.passFailure()),
      ...driverProblem(runner.lastPass()?.world.observed.driver, clock.now()),
      ...credentialProblems(runner.lastPass()?.world.observed.credentials?.values() ?? []),
      ...more(),
      ...pressureProblems(pressure),
      ...(tightSince === null || pressure?.of === 'disk' ? [] : [diskProblem(diskFreeGiB ?? 0, tightSince)]),
      ...runner
        .failures()
        .filter((failure) => failure.count >= troublesAfter)
        .map(stepProblem),
      ...more(),
    ];
  };
}

function passProblem(failure: ReturnType<Control['runner']['passFailure']>): LiveProblem[] {
  if (failure === null) return [];
  const { message, remedy, since } = failure;
  const what = `nothing moves, each pass fails: ${oneLine(message)}`;
  return [{ id: 'pass', what, since, remedy: remedy ?? 'ralph-fleet doctor', vm: null, severity: 'error' }];
}

type DriverSeen = NonNullable<ReturnType<Control['runner']['lastPass']>>['world']['observed']['driver'];

function driverProblem(seen: DriverSeen | undefined, now: number): LiveProblem[] {
  if (seen === undefined || seen.ok) return [];
  const what = `the driver does not answer, so nothing is known of the VMs: ${oneLine(seen.reason)}`;
  const severity = now - seen.since < patienceMs ? 'warning' : 'error';
  return [{ id: 'driver', what, since: seen.since, remedy: 'ralph-fleet doctor', vm: null, severity }];
}

function diskProblem(freeGiB: number, since: number): LiveProblem {
  const isFull = freeGiB < fullGiB;
  return {
    id: 'disk',
    what: `the disk of the state folder is ${isFull ? 'full' : 'almost full'}: ${freeGiB} GiB free`,
    since,
    remedy: 'free some space; df -h shows where',
    vm: null,
    severity: isFull ? 'error' : 'warning',
  };
}

function stepProblem({ step, message, remedy, since }: ReturnType<Control['runner']['failures']>[number]): LiveProblem {
  return {
    id: `${step.key} ${step.kind}`,
    what: `${step.kind.replaceAll('_', ' ')} (${step.key}) keeps failing: ${oneLine(message)}`,
    since,
    remedy: remedy ?? 'ralph-fleet doctor',
    vm: 'vm' in step.data ? step.data.vm : null,
    severity: 'warning',
  };
}

/** The first lines say what; the whole stands in the log. */
function oneLine(message: string): string {
  const lines = message.split('\n').map((line) => line.trim());
  return lines.slice(0, 2).join(' ').slice(0, 300);
}
