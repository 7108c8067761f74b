import { type Logger, pino } from 'pino';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'> & { child(fields: Record<string, unknown>): Log };

/** Anything shaped like a credential, wherever it stands in a line. Kept broad: a log may lose a word, never leak one. */
const secretShapes =
  /(sk-ant-[A-Za-z0-9_-]{6,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|rft_[a-f0-9]{16,}|Bearer\s+[A-Za-z0-9._~+/=-]{12,})/g;

export function redact(text: string): string {
  return text.replace(secretShapes, '[redacted]');
}

/** A full disk under the log costs its lines, never the process. */
export const standardOutput = {
  write(line: string): void {
    if (process.stdout.listenerCount('error') === 0) process.stdout.on('error', () => {});
    process.stdout.write(line);
  },
};

/** JSON lines on the given stream (default stdout); messages are static, data goes in fields. */
export function createLog(options: { level?: string; destination?: { write(line: string): void } } = {}): Log {
  const out = options.destination ?? standardOutput;
  return pino(
    { level: options.level ?? 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => void out.write(redact(line)) },
  ) as unknown as Log;
}

export function createSilentLog(): Log {
  return createLog({ level: 'silent', destination: { write: () => {} } });
}
