import type { Duplex } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import { fromErrorBody } from '../contract/errors.ts';
import { fillPath, terminalPath, terminalUpgrade } from '../contract/route-paths.ts';
import { asUnavailable, request } from './http.ts';

export interface TerminalRequest {
  ralph: string;
  write: boolean;
  cols: number;
  rows: number;
}

/** The Ralph's tmux screen as raw bytes both ways; ends when the guest's session or the connection does. */
export function openTerminal(socketPath: string, wanted: TerminalRequest): Promise<Duplex> {
  const query = `?write=${wanted.write ? 1 : 0}&cols=${wanted.cols}&rows=${wanted.rows}`;
  const path = fillPath(terminalPath, { name: wanted.ralph }) + query;
  return upgrade({ socketPath, path, to: terminalUpgrade });
}

/** The connection after the switch; a refusal is an error as of any other route. */
export function upgrade({ socketPath, path, to }: { socketPath: string; path: string; to: string }): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      socketPath,
      path,
      headers: { host: 'ralph-fleet', connection: 'Upgrade', upgrade: to },
    });
    outgoing.on('error', (cause) => reject(asUnavailable(cause, socketPath)));
    outgoing.on('upgrade', (_, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    outgoing.on('response', async (answer) => {
      const text = await readText(answer);
      try {
        reject(fromErrorBody(JSON.parse(text), answer.statusCode ?? 0));
      } catch {
        reject(fromErrorBody(null, answer.statusCode ?? 0));
      }
    });
    outgoing.end();
  });
}
