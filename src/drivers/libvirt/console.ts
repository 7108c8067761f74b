import { open } from 'node:fs/promises';

/** The last `maxBytes` of the console's file; '' when there is none. virtlogd turns it over to `<file>.0` at 2 MiB. */
export async function readTail(path: string, maxBytes: number): Promise<string> {
  if (maxBytes <= 0) return '';
  const now = await tail(path, maxBytes);
  const before = now.length < maxBytes ? await tail(`${path}.0`, maxBytes - now.length) : Buffer.alloc(0);
  return Buffer.concat([before, now]).toString('utf8');
}

async function tail(path: string, maxBytes: number): Promise<Buffer> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return Buffer.alloc(0);
  try {
    const { size } = await file.stat();
    const length = Math.min(size, maxBytes);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
