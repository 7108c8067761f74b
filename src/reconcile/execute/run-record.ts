import { allPassed, type Check, type CheckResult, type CheckRun } from '../../domain/check.ts';
import type { Service } from '../../domain/project.ts';
import type { CheckOutput, GuestAbout, RunRecord } from '../../domain/run-record.ts';
import { toIso } from '../../lib/clock.ts';
import type { ExecuteDeps } from './deps.ts';

interface Seen {
  checks: Check[];
  results: readonly CheckResult[];
  outputs: readonly CheckOutput[];
  about: GuestAbout | null;
  protected: string[];
  services: Service[];
}

/** All that is known of a run that has just ended; null when its VM or disk is known no more. */
export function runRecord(deps: ExecuteDeps, run: CheckRun, seen: Seen): RunRecord | null {
  const { store, clock, about } = deps;
  const vm = run.vm === null ? null : store.vms.get(run.vm);
  const disk = vm === null ? null : store.disks.get(vm.disk);
  if (vm === null || disk === null) return null;
  return {
    format: 'ralph-fleet-run',
    version: 1,
    run: run.id,
    kind: run.kind,
    variant: run.variant,
    commit: run.commit,
    tested: run.tested,
    base: run.base,
    phase: allPassed(seen.results) ? 'passed' : 'failed',
    startedAt: toIso(run.startedAt),
    endedAt: toIso(clock.now()),
    checks: seen.checks,
    results: seen.results.map(({ tail: _, stderrTail: __, ...result }) => {
      const output = seen.outputs.find((one) => one.id === result.id);
      return { ...result, stdout: output?.stdout ?? null, stderr: output?.stderr ?? null };
    }),
    protected: seen.protected,
    services: seen.services,
    vm: { id: vm.id, clean: !vm.touched, way: vm.way, size: vm.size },
    disk: { key: disk.key, kind: disk.kind, image: disk.backing ?? disk.key, recipe: disk.recipe },
    versions: { ...about(), guest: seen.about },
  };
}
