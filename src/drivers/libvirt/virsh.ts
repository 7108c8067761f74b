import { FleetError, isFleetError } from '../../lib/errors.ts';
import { baseEnvironment, type Exec } from '../../lib/exec.ts';

export interface VirshOptions {
  timeoutMs?: number;
  maxBytes?: number;
  /** Command line that `virsh …` is put behind. */
  under?: readonly string[];
}

/** Runs one `virsh` command and returns what it printed. Throws `driver_unavailable`, or `command_failed` when virsh refused. */
export type Virsh = (args: readonly string[], options?: VirshOptions) => Promise<string>;

/** For the user's own libvirt; for root this is the system's. */
const uri = 'qemu:///session';
const defaultTimeoutMs = 30_000;

export const startLibvirt = 'systemctl start libvirtd  (without systemd: virtlogd -d; libvirtd -d)';
export const installLibvirt = 'scripts/setup';

export function createVirsh(exec: Exec, env: Record<string, string> = baseEnvironment()): Virsh {
  return async (args, options = {}) => {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    try {
      const result = await exec([...(options.under ?? []), 'virsh', '-q', '-c', uri, ...args], {
        env: { ...env, LC_ALL: 'C' },
        timeoutMs,
        maxBytes: options.maxBytes ?? 16 * 1024 * 1024,
      });
      // With several commands in one call virsh's exit code tells of the last one only.
      if (/^error:/m.test(result.stderr)) throw refused(args, result.stderr);
      return result.stdout;
    } catch (cause) {
      throw translate(args, timeoutMs, cause);
    }
  };
}

function translate(args: readonly string[], timeoutMs: number, cause: unknown): unknown {
  if (!isFleetError(cause)) return cause;
  const shown = `virsh ${args[0]}`;
  if (cause.code === 'command_missing') {
    return unavailable(`Cannot run \`${shown}\`: \`virsh\` is not installed.`, installLibvirt, cause);
  }
  if (cause.code === 'command_timed_out') {
    return unavailable(`\`${shown}\` did not answer within ${timeoutMs} ms.`, startLibvirt, cause);
  }
  const said = `${String(cause.details['stderr'] ?? '')}\n${cause.message}`;
  if (
    /failed to connect|cannot connect|connection (refused|reset|closed)|end of file while reading|client socket is closed/i.test(
      said,
    )
  ) {
    return unavailable(`\`${shown}\` found no libvirt daemon for \`${uri}\`.`, startLibvirt, cause);
  }
  return cause;
}

export function unavailable(message: string, remedy: string, cause?: unknown): FleetError {
  return new FleetError('driver_unavailable', message, cause === undefined ? { remedy } : { remedy, cause });
}

/** virsh answered, but not with the whole of it. */
export function garbled(command: string, cause?: unknown): FleetError {
  return unavailable(`\`virsh ${command}\` printed what cannot be read whole.`, startLibvirt, cause);
}

function refused(args: readonly string[], stderr: string): FleetError {
  const said = stderr.trim().slice(0, 2000);
  return new FleetError('command_failed', `\`virsh ${args[0]}\` said: ${said}`, { details: { stderr: said } });
}
