import type { Live, LiveProblem } from '../queries/deps.ts';
import type { Control } from '../reconcile/control.ts';
import type { Parts } from './parts.ts';

export interface LiveDeps {
  parts: Pick<Parts, 'driver' | 'accel'>;
  control: () => Control;
  startedAt: number;
  version: string;
  host: Live['host'];
  doing: Live['doing'];
}

/** A step that failed this often is a problem a person should see. */
const troublesAfter = 3;

/** What only the running daemon knows, for the status document. */
export function createLive(deps: LiveDeps): Live {
  return {
    pid: process.pid,
    version: deps.version,
    since: deps.startedAt,
    driver: () => ({ name: deps.parts.driver.name, wall: deps.parts.driver.wall, accel: deps.parts.accel() }),
    host: deps.host,
    lastPass: () => {
      const last = deps.control().runner.lastPass();
      return last === null ? null : { at: last.at, waits: last.plan.waits };
    },
    problems: () => problemsOf(deps.control()),
    doing: deps.doing,
  };
}

function problemsOf(control: Control): LiveProblem[] {
  const failing = control.runner.failures().filter((failure) => failure.count >= troublesAfter);
  return failing.map(({ step, message, since }) => ({
    id: `${step.key} ${step.kind}`,
    what: `${step.kind.replaceAll('_', ' ')} (${step.key}) keeps failing: ${message.split('\n')[0] ?? ''}`,
    since,
    remedy: 'ralph-fleet doctor',
    vm: 'vm' in step.data ? step.data.vm : null,
    severity: 'warning' as const,
  }));
}
