import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { FleetError } from '../lib/errors.ts';
import { parseAnswer, saveAnswer } from './answers.ts';
import type { Exchange } from './exchange.ts';
import type { GuestAddress, SaveReport } from './guest.ts';
import type { Call } from './ssh-connection.ts';

type Ask = (vm: GuestAddress, argv: string[], call: Partial<Call> & { what: string }) => Promise<Exchange>;

/** Brings a file into the guest, whole or not at all; returns its path there. */
export async function sendFile(
  ask: Ask,
  put: string,
  vm: GuestAddress,
  send: { file: string; name: string; deadlineMs: number },
): Promise<string> {
  const size = await sizeOf(send.file);
  const { output } = await ask(vm, [put, send.name, String(size)], {
    what: `take the file \`${send.name}\``,
    input: createReadStream(send.file),
    deadlineMs: send.deadlineMs,
  });
  return new TextDecoder().decode(output).trim();
}

/** Writes the bundle beside the target, then renames; the report is the last line the guest says beside it. */
export async function readSaved(
  targetFile: string,
  ask: (onOutput: (chunk: Uint8Array) => Promise<void>) => Promise<Exchange>,
): Promise<SaveReport> {
  const aside = `${targetFile}.part`;
  try {
    const file = await open(aside, 'w', 0o600);
    let report: SaveReport;
    try {
      const { said } = await ask(async (chunk) => void (await file.write(chunk)));
      report = parseAnswer(saveAnswer, lastLine(said), 'what it saved');
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, targetFile);
    return report;
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

function lastLine(said: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(said).trimEnd();
  return new TextEncoder().encode(text.slice(text.lastIndexOf('\n') + 1));
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (cause) {
    throw new FleetError('storage', `Cannot read the bundle \`${file}\`.`, { cause });
  }
}
