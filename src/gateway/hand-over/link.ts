import type { Socket } from 'node:net';
import type { z } from 'zod';

/** Messages as lines of JSON, both ways. What is no message ends it. */
export interface Link<Out> {
  send(message: Out): void;
  /** Resolves when the other side is gone. */
  closed: Promise<void>;
  close(): void;
}

const maxLineChars = 4 * 1024 * 1024;

export function openLink<In, Out>(
  socket: Socket,
  schema: z.ZodType<In>,
  onMessage: (message: In, link: Link<Out>) => void,
): Link<Out> {
  let held = '';
  socket.setEncoding('utf8');
  socket.on('error', () => socket.destroy());
  const link: Link<Out> = {
    send: (message) => void socket.write(`${JSON.stringify(message)}\n`),
    closed: new Promise((resolve) => socket.once('close', () => resolve())),
    close: () => socket.destroy(),
  };
  socket.on('data', (chunk: string) => {
    held += chunk;
    for (let end = held.indexOf('\n'); end >= 0; end = held.indexOf('\n')) {
      const message = parse(schema, held.slice(0, end));
      held = held.slice(end + 1);
      if (message === null) return void socket.destroy();
      onMessage(message, link);
    }
    if (held.length > maxLineChars) socket.destroy();
  });
  return link;
}

function parse<In>(schema: z.ZodType<In>, line: string): In | null {
  try {
    return schema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
