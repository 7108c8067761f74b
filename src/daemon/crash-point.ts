import { writeSync } from 'node:fs';
import type { Step } from '../reconcile/plan/step.ts';

type Run<End> = () => Promise<End>;

/**
 * For tests only: `RALPH_FLEET_CRASH=launch_iteration:before,save_work:after` kills this process, as `kill -9` would, when it
 * comes to one of these points: before a step of that kind is executed, or after it was and before anybody heard of it. Which one it
 * was stands in the daemon's log. Without the variable nothing is wrapped.
 */
export function createCrashPoint(
  wanted: string | undefined,
  crash: (point: string) => void = crashNow,
): <End>(step: Pick<Step, 'kind'>, run: Run<End>) => Promise<End> {
  const points = new Set((wanted ?? '').split(',').filter((point) => point !== ''));
  if (points.size === 0) return (_, run) => run();
  return async (step, run) => {
    if (points.has(`${step.kind}:before`)) crash(`${step.kind}:before`);
    const end = await run();
    if (points.has(`${step.kind}:after`)) crash(`${step.kind}:after`);
    return end;
  };
}

/** The same for a gateway that comes or leaves: `RALPH_FLEET_GATEWAY_CRASH=next:locked`. */
export function createCrashStep(
  wanted: string | undefined,
  crash: (point: string) => void = crashNow,
): (point: string) => void {
  const points = new Set((wanted ?? '').split(',').filter((point) => point !== ''));
  return (point) => {
    if (points.has(point)) crash(point);
  };
}

function crashNow(point: string): void {
  writeSync(1, `${JSON.stringify({ msg: 'crash point', point })}\n`);
  process.kill(process.pid, 'SIGKILL');
}
