import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { readText } from '../../lib/read-text.ts';

/** The terminal, or what stands in for it in a test. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** The same for what need not be text. */
  bytes(chunk: Uint8Array, to: 'out' | 'err'): void;
  /** Whether stdout, stderr, stdin are terminals. */
  outTty: boolean;
  errTty: boolean;
  inTty: boolean;
  columns(): number;
  rows(): number;
  /** Prints the question and reads one line; empty when input ends. */
  ask(question: string): Promise<string>;
  /** The same, and what is typed is not shown. */
  askHidden(question: string): Promise<string>;
  readStdin(): Promise<string>;
  stdin: NodeJS.ReadStream | null;
}

const maxStdin = 1024 * 1024;

/** `called` fires on the first ctrl-C; one typed at a question counts too, as the terminal then sends no signal. */
export function createIo(called: AbortController): Io {
  const { stdout, stderr, stdin } = process;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    bytes: (chunk, to) => void (to === 'out' ? stdout : stderr).write(chunk),
    outTty: stdout.isTTY === true,
    errTty: stderr.isTTY === true,
    inTty: stdin.isTTY === true,
    columns: () => Math.min(200, Math.max(60, stdout.columns ?? 100)),
    rows: () => stdout.rows ?? 24,
    ask: (question) => askOn(question, stderr),
    askHidden: async (question) => {
      stderr.write(question);
      // What readline echoes goes nowhere.
      const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
      const answer = await askOn('', nowhere, true);
      stderr.write('\n');
      return answer;
    },
    readStdin: async () => {
      if (stdin.isTTY) stderr.write('Type it; ctrl-D on a line of its own ends it.\n');
      const stop = () => stdin.destroy(called.signal.reason);
      called.signal.addEventListener('abort', stop, { once: true });
      try {
        return await readText(stdin, 'stdin', maxStdin);
      } finally {
        called.signal.removeEventListener('abort', stop);
      }
    },
    stdin,
  };

  function askOn(question: string, output: Writable, terminal?: boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      const lines = createInterface({ input: stdin, output, ...(terminal === undefined ? {} : { terminal }) });
      const stop = () => lines.close();
      called.signal.addEventListener('abort', stop, { once: true });
      lines.on('SIGINT', () => called.abort());
      lines.on('close', () => {
        called.signal.removeEventListener('abort', stop);
        if (called.signal.aborted) reject(called.signal.reason);
        else resolve('');
      });
      lines.question(question, (answer) => {
        resolve(answer.trim());
        lines.close();
      });
    });
  }
}

export function wantsColour(env: Record<string, string | undefined>, isTty: boolean): boolean {
  if (env['NO_COLOR']) return false;
  const forced = env['FORCE_COLOR'] ?? env['CLICOLOR_FORCE'];
  if (forced !== undefined && forced !== '') return forced !== '0';
  return isTty && env['TERM'] !== 'dumb';
}
