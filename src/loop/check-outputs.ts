import { z } from 'zod';
import type { CheckOutput, GuestAbout, Kept } from '../domain/run-record.ts';

/** `outputs` of a run of checks, as ralph-iterate and ralph-capture left it in the guest. */
export interface CheckOutputs {
  /** null: its image is older than this. */
  about: GuestAbout | null;
  outputs: CheckOutput[];
}

const whole = z.int().nonnegative();
const word = z.string().max(200);
const aboutLine = z.object({
  kernel: word,
  guest: z.object({ image: word, builder: word, tools: z.record(z.string().max(100), word) }).nullable(),
});
const kept = z.object({ bytes: whole, head: whole, tail: whole });
const outputLine = z.object({ id: z.string().max(200), stdout: kept, stderr: kept });

/** What a guest says is hostile, and may be cut off anywhere: it is read as far as it makes sense. */
export function parseCheckOutputs(bytes: Uint8Array): CheckOutputs {
  const first = lineAt(bytes, 0);
  const about = aboutLine.safeParse(first?.value);
  const outputs: CheckOutput[] = [];
  let at = first?.end ?? bytes.length;
  while (at < bytes.length) {
    const line = lineAt(bytes, at);
    const said = outputLine.safeParse(line?.value);
    if (line === null || !said.success) break;
    const { id, stdout, stderr } = said.data;
    const end = line.end + stdout.head + stdout.tail + stderr.head + stderr.tail;
    if (end >= bytes.length || outputs.some((one) => one.id === id)) break;
    const second = line.end + stdout.head + stdout.tail;
    outputs.push({ id, stdout: take(bytes, line.end, stdout), stderr: take(bytes, second, stderr) });
    at = end + 1;
  }
  return { about: about.success ? aboutOf(about.data) : null, outputs };
}

function aboutOf({ kernel, guest }: z.output<typeof aboutLine>): GuestAbout {
  return { kernel, image: guest?.image ?? null, builder: guest?.builder ?? null, tools: guest?.tools ?? {} };
}

const maxLine = 64 * 1024;

function lineAt(bytes: Uint8Array, from: number): { value: unknown; end: number } | null {
  const newline = bytes.subarray(from, from + maxLine).indexOf(10);
  if (newline < 0) return null;
  try {
    return {
      value: JSON.parse(new TextDecoder().decode(bytes.subarray(from, from + newline))),
      end: from + newline + 1,
    };
  } catch {
    return null;
  }
}

function take(bytes: Uint8Array, from: number, said: z.output<typeof kept>): Kept {
  const head = bytes.subarray(from, from + said.head);
  const tail = bytes.subarray(from + said.head, from + said.head + said.tail);
  if (said.bytes <= said.head + said.tail)
    return { bytes: said.head + said.tail, ...encode(Buffer.concat([head, tail])), tail: null };
  const isText = isShort(head) && isShort(tail);
  const text = (part: Uint8Array) => (isText ? lossless(part) : Buffer.from(part).toString('base64'));
  return { bytes: said.bytes, encoding: isText ? 'utf8' : 'base64', head: text(head) ?? '', tail: text(tail) };
}

function encode(bytes: Uint8Array): Pick<Kept, 'encoding' | 'head'> {
  const text = isShort(bytes) ? lossless(bytes) : null;
  return text === null
    ? { encoding: 'base64', head: Buffer.from(bytes).toString('base64') }
    : { encoding: 'utf8', head: text };
}

/** Text that is as long in JSON as in base64 at most: control characters take six times their room there. */
function isShort(bytes: Uint8Array): boolean {
  const text = lossless(bytes);
  return text !== null && Buffer.byteLength(JSON.stringify(text)) <= bytes.length * 1.4 + 16;
}

function lossless(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
