import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { FleetError } from './errors.ts';

/**
 * The whole of what a person wrote, as text: at most `maxBytes`, and UTF-8 or nothing, so that no byte is silently replaced.
 * Errors: `too_large`, `invalid_file`.
 */
export async function readText(from: AsyncIterable<Uint8Array>, name: string, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of from) {
    size += part.length;
    if (size > maxBytes) {
      throw new FleetError('too_large', `\`${name}\` is larger than ${maxBytes / 1024} KiB.`, {
        remedy: 'Is this the right file?',
      });
    }
    parts.push(part);
  }
  const bytes = Buffer.concat(parts);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const at = firstBadByte(bytes);
    throw new FleetError(
      'invalid_file',
      `\`${name}\` is not UTF-8 text: byte ${at + 1} (line ${lineOf(bytes, at)}) is none.`,
      {
        remedy: `Save it as UTF-8: iconv -f LATIN1 -t UTF-8, or as your editor calls it.`,
        cause,
      },
    );
  }
}

/** The same of a file, a pipe too (`<(…)`). Errors: `not_found`, `invalid_file` for a folder or what may not be read. */
export async function readTextFile(path: string, maxBytes: number): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) {
      throw new FleetError('invalid_file', `Cannot read \`${path}\`: it is a folder.`, { remedy: `ls ${path}` });
    }
    return await readText(createReadStream(path), path, maxBytes);
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    const found = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'you may not' : String(code);
    throw new FleetError(code === 'ENOENT' ? 'not_found' : 'invalid_file', `Cannot read \`${path}\`: ${found}.`, {
      remedy: `ls -l ${path}`,
      cause,
    });
  }
}

function firstBadByte(bytes: Uint8Array): number {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  const good = Buffer.from(text, 'utf8');
  let at = 0;
  while (at < bytes.length && bytes[at] === good[at]) at++;
  return at;
}

function lineOf(bytes: Uint8Array, at: number): number {
  return bytes.subarray(0, at).filter((byte) => byte === 10).length + 1;
}
