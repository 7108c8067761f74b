/**
 * The one error type. `kind` decides HTTP status, exit code and whether a retry makes sense; `code` is stable and listed
 * here. `message` says what was tried (names in backticks) and what was found; `remedy` what to do. It never repeats the
 * cause: `formatError` prints the chain.
 */
export const errorCodes = {
  usage: 'user',
  invalid_file: 'user',
  not_found: 'user',
  refused: 'conflict',
  illegal_transition: 'conflict',
  already_running: 'conflict',
  newer_state: 'conflict',
  over_budget: 'conflict',
  stale_commit: 'conflict',
  command_failed: 'transient',
  command_timed_out: 'transient',
  command_missing: 'user',
  driver_unavailable: 'transient',
  daemon_unavailable: 'transient',
  gateway_unavailable: 'transient',
  guest_unreachable: 'transient',
  guest_untrusted: 'bug',
  guest_timed_out: 'transient',
  vm_not_ready: 'conflict',
  image_failed: 'transient',
  change_rejected: 'user',
  change_conflict: 'conflict',
  too_large: 'user',
  storage: 'transient',
  bug: 'bug',
} as const satisfies Record<string, ErrorKind>;

export type ErrorKind = 'user' | 'conflict' | 'transient' | 'bug';
export type ErrorCode = keyof typeof errorCodes;

export class FleetError extends Error {
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly remedy: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    more: { remedy?: string; details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'FleetError';
    this.code = code;
    this.kind = errorCodes[code];
    this.remedy = more.remedy;
    this.details = more.details ?? {};
  }
}

export function isFleetError(error: unknown, code?: ErrorCode): error is FleetError {
  return error instanceof FleetError && (code === undefined || error.code === code);
}

/** Any thrown value as a FleetError; a disk that is full or closed is no bug of ours, everything else that is not one is. */
export function asFleetError(error: unknown): FleetError {
  if (error instanceof FleetError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const remedy = storageRemedy(error);
  if (remedy !== null) return new FleetError('storage', `Cannot read or write: ${message}.`, { remedy, cause: error });
  return new FleetError('bug', message, { cause: error });
}

const fullRemedy = 'The disk is full: free some space (df -h shows where), then run the same command again.';
const closedRemedy = 'Make the folder writable again (ralph-fleet doctor names it), then run the same command again.';

/** By errno (`code`) of the file system, or by SQLite's result code (`errcode`, sqlite.org/rescode.html; its low byte). */
function storageRemedy(error: unknown): string | null {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  const sqlite = typeof errcode === 'number' ? errcode & 0xff : null;
  if (code === 'ENOSPC' || code === 'EDQUOT' || sqlite === 13) return fullRemedy;
  if (code === 'EROFS' || sqlite === 8) return closedRemedy;
  return code === 'EIO' || sqlite === 10
    ? 'The disk cannot be read or written: see dmesg, and look after your backup.'
    : null;
}

/** True when the work was called off (AbortSignal), which is no error to report. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** The message, what to do, then the chain of causes, one line each. */
export function formatError(error: unknown): string {
  const lines: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && depth < 8; depth++) {
    const text = at instanceof Error ? at.message : String(at);
    lines.push(depth === 0 ? text : `  because: ${text}`);
    if (depth === 0 && at instanceof FleetError && at.remedy) lines.push(`  ${at.remedy}`);
    at = at instanceof Error ? at.cause : undefined;
  }
  return lines.join('\n');
}
