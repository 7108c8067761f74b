import { createInterface } from 'node:readline';

/** The terminal, or what stands in for it in a test. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** Whether stdout, stderr, stdin are terminals. */
  outTty: boolean;
  errTty: boolean;
  inTty: boolean;
  columns(): number;
  rows(): number;
  /** Prints the question and reads one line; empty when input ends. */
  ask(question: string): Promise<string>;
  readStdin(): Promise<string>;
  stdin: NodeJS.ReadStream | null;
}

const maxStdin = 1024 * 1024;

export function createIo(): Io {
  const { stdout, stderr, stdin } = process;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    outTty: stdout.isTTY === true,
    errTty: stderr.isTTY === true,
    inTty: stdin.isTTY === true,
    columns: () => Math.min(200, Math.max(60, stdout.columns ?? 100)),
    rows: () => stdout.rows ?? 24,
    ask: (question) =>
      new Promise((resolve) => {
        const lines = createInterface({ input: stdin, output: stderr });
        lines.on('close', () => resolve(''));
        lines.question(question, (answer) => {
          resolve(answer.trim());
          lines.close();
        });
      }),
    readStdin: async () => {
      let text = '';
      stdin.setEncoding('utf8');
      for await (const part of stdin) {
        text += part;
        if (text.length > maxStdin) break;
      }
      return text;
    },
    stdin,
  };
}

export function wantsColour(env: Record<string, string | undefined>, isTty: boolean): boolean {
  if (env['NO_COLOR']) return false;
  const forced = env['FORCE_COLOR'] ?? env['CLICOLOR_FORCE'];
  if (forced !== undefined && forced !== '') return forced !== '0';
  return isTty && env['TERM'] !== 'dumb';
}
