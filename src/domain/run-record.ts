import type { Check, CheckResult, CheckRunKind, CheckVariant } from './check.ts';
import type { DiskRecipe } from './disk.ts';
import type { Service } from './project.ts';
import type { VmSize, VmWay } from './vm.ts';

/**
 * All that was seen of one run of the checks in a clean VM, written once when it ends and never changed: a file named by its
 * sha256, which the run's row holds. What a stranger needs to judge the run, or to make it again, stands in it; nothing secret and
 * no path of the host does.
 */
export interface RunRecord {
  format: 'ralph-fleet-run';
  version: 1;
  run: string;
  kind: CheckRunKind;
  variant: CheckVariant;
  commit: string;
  /** The commit whose tree ran: `commit`, or the one with the protected files put back. */
  tested: string;
  base: string;
  phase: 'passed' | 'failed';
  /** ISO 8601. */
  startedAt: string;
  endedAt: string;
  checks: Check[];
  results: RecordedResult[];
  /** Patterns of the files that were put back to the base for the variant `restored`. */
  protected: string[];
  /** What ran beside them. */
  services: Service[];
  vm: { id: string; clean: boolean; way: VmWay; size: VmSize };
  disk: { key: string; kind: 'image' | 'prepared'; image: string; recipe: DiskRecipe | null };
  versions: Versions;
}

export interface RecordedResult extends Omit<CheckResult, 'tail' | 'stderrTail'> {
  /** null: the guest gave none. */
  stdout: Kept | null;
  stderr: Kept | null;
}

/** One output of a check: whole in `head`, or its first and its last part. */
export interface Kept {
  /** How much was printed. */
  bytes: number;
  /** Text where it can be told as text without loss. */
  encoding: 'utf8' | 'base64';
  head: string;
  /** null: nothing is left out. */
  tail: string | null;
}

export interface CheckOutput {
  id: string;
  stdout: Kept;
  stderr: Kept;
}

/** What a guest says of itself. */
export interface GuestAbout {
  kernel: string;
  image: string | null;
  builder: string | null;
  tools: Record<string, string>;
}

export interface HostAbout {
  fleet: string;
  driver: string;
  hypervisor: string | null;
  accel: string | null;
}

export interface Versions extends HostAbout {
  guest: GuestAbout | null;
}
