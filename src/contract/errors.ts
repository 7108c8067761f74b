import { asFleetError, type ErrorCode, type ErrorKind, errorCodes, FleetError } from '../lib/errors.ts';

/** The body of every answer that is not 2xx, and what `--json` prints on stdout with the same exit code. */
export interface ErrorBody {
  error: {
    code: ErrorCode;
    kind: ErrorKind;
    message: string;
    remedy: string | null;
    /** The chain of causes, outermost first. */
    causes: string[];
    details?: Record<string, unknown>;
  };
}

/** code -> (HTTP status, exit code); what is not listed goes by its kind. */
const byCode: Partial<Record<ErrorCode, readonly [status: number, exit: number]>> = {
  not_found: [404, 3],
  too_large: [413, 2],
  over_budget: [402, 6],
  driver_unavailable: [503, 5],
  daemon_unavailable: [503, 5],
  gateway_unavailable: [503, 5],
  guest_unreachable: [503, 5],
  command_missing: [503, 5],
};
const byKind: Record<ErrorKind, readonly [status: number, exit: number]> = {
  user: [400, 2],
  conflict: [409, 4],
  transient: [502, 1],
  bug: [500, 1],
};

export function httpStatusOf(code: ErrorCode): number {
  return (byCode[code] ?? byKind[errorCodes[code]])[0];
}

export function exitCodeOf(code: ErrorCode): number {
  return (byCode[code] ?? byKind[errorCodes[code]])[1];
}

export function toErrorBody(thrown: unknown): ErrorBody {
  const error = asFleetError(thrown);
  const causes: string[] = [];
  for (let at: unknown = error.cause; at !== undefined && causes.length < 8; ) {
    causes.push(at instanceof Error ? at.message : String(at));
    at = at instanceof Error ? at.cause : undefined;
  }
  const { code, kind, message, remedy } = error;
  return { error: { code, kind, message, remedy: remedy ?? null, causes } };
}

/** The error a face throws for such a body; anything else means that whoever answered is not our daemon. */
export function fromErrorBody(body: unknown, status: number): FleetError {
  const error = (body as Partial<ErrorBody> | null)?.error;
  if (
    !error ||
    typeof error.code !== 'string' ||
    !Object.hasOwn(errorCodes, error.code) ||
    typeof error.message !== 'string'
  ) {
    return new FleetError('bug', `The daemon answered ${status} without saying why.`, { details: { status } });
  }
  const cause = (Array.isArray(error.causes) ? error.causes : []).reduceRight<Error | undefined>(
    (inner, text) => new Error(String(text), inner === undefined ? undefined : { cause: inner }),
    undefined,
  );
  return new FleetError(error.code, error.message, {
    ...(typeof error.remedy === 'string' ? { remedy: error.remedy } : {}),
    ...(cause === undefined ? {} : { cause }),
  });
}
