import type { Duplex } from 'node:stream';
import { isFleetError } from '../../lib/errors.ts';
import type { Context } from '../frame/command.ts';
import { createScreenFilter } from './filter.ts';

const againMs = 2000;

/**
 * One Ralph's screen in this terminal, for as long as the terminal is there: between two of its VMs it waits and says so. Nothing typed
 * reaches the guest unless `write`.
 */
export async function showPane(context: Context, ralph: string, write: boolean): Promise<number> {
  const { io, signal } = context;
  let said = '';
  while (!signal.aborted) {
    try {
      const socket = await context.client.terminal({ ralph, write, cols: io.columns(), rows: io.rows() });
      said = '';
      io.out('\x1b[2J\x1b[H');
      const why = await pipe(context, socket, write);
      if (why === 'resized') continue;
    } catch (error) {
      const text = isFleetError(error) ? error.message : String(error);
      if (isFleetError(error, 'usage') || isFleetError(error, 'not_found')) throw error;
      if (text !== said) io.out(`\r\n${ralph} shows nothing at the moment: ${text}\r\n`);
      said = text;
    }
    await context.clock.sleep(againMs, signal).catch(() => {});
  }
  return 130;
}

function pipe(context: Context, socket: Duplex, write: boolean): Promise<'ended' | 'resized'> {
  const { io, signal } = context;
  const screen = createScreenFilter();
  const stdin = io.stdin;
  return new Promise((resolve) => {
    let why: 'ended' | 'resized' = 'ended';
    const onResize = () => {
      why = 'resized';
      socket.destroy();
    };
    const onKey = (keys: Buffer) => {
      if (write) socket.write(keys);
      else if (keys.includes(0x03)) process.kill(process.pid, 'SIGINT');
    };
    const stop = () => socket.destroy();
    stdin?.setRawMode?.(true);
    stdin?.resume();
    stdin?.on('data', onKey);
    process.stdout.on('resize', onResize);
    signal.addEventListener('abort', stop, { once: true });
    socket.on('data', (chunk: Buffer) => void process.stdout.write(screen.push(chunk)));
    socket.on('error', () => {}); // `close` follows
    socket.on('close', () => {
      stdin?.off('data', onKey);
      stdin?.setRawMode?.(false);
      stdin?.pause();
      process.stdout.off('resize', onResize);
      signal.removeEventListener('abort', stop);
      io.out('\x1b[0m\x1b[?25h\r\n');
      resolve(why);
    });
  });
}
