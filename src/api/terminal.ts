import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { httpStatusOf, toErrorBody } from '../contract/errors.ts';
import { terminalUpgrade } from '../contract/route-paths.ts';
import { asFleetError, FleetError } from '../lib/errors.ts';
import type { ApiDeps } from './deps.ts';
import { refuseUnknown } from './transcript.ts';
import { decode, readUrl } from './url.ts';

/** HTTP upgrade to a Ralph's tmux: raw bytes both ways; without `write` what the client sends is dropped. */
export async function openTerminal(deps: ApiDeps, request: IncomingMessage, socket: Duplex): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    const url = readUrl(request);
    const found = /^\/v1\/ralphs\/([^/]+)\/terminal$/.exec(url.pathname);
    if (!found || request.headers.upgrade !== terminalUpgrade)
      throw new FleetError('not_found', 'There is no such upgrade.');
    const ralph = decode(found[1] ?? '');
    refuseUnknown(deps, ralph);
    const write = url.searchParams.get('write') === '1';
    const terminal = await deps.terminal(ralph, { write, cols: size(url, 'cols', 80), rows: size(url, 'rows', 24) });
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${terminalUpgrade}\r\n\r\n`);
    terminal.readable.pipe(socket);
    if (write) socket.pipe(terminal.writable);
    else socket.resume();
    terminal.readable.on('close', () => socket.end());
    socket.on('close', () => terminal.close());
  } catch (error) {
    const failure = asFleetError(error);
    const body = JSON.stringify(toErrorBody(failure));
    const head = `HTTP/1.1 ${httpStatusOf(failure.code)} Refused\r\ncontent-type: application/json\r\nconnection: close\r\n`;
    socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }
}

function size(url: URL, name: string, otherwise: number): number {
  const value = Number(url.searchParams.get(name) ?? otherwise);
  return Number.isInteger(value) && value > 0 && value < 2000 ? value : otherwise;
}
