import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type Docker from 'dockerode';
import { z } from 'zod';
import type { Clock } from '../../lib/clock.ts';
import { FleetError } from '../../lib/errors.ts';
import { type ServiceName, serviceNames, services } from '../services.ts';

/** `registry/name:tag@sha256:…`; without a digest, what is there under that name is used. */
export type Images = Record<ServiceName, string>;

const reference = z
  .string()
  .regex(/^[a-z0-9][\w.\-/:]*(@sha256:[0-9a-f]{64})?$/, 'an image, as registry/name:tag@sha256:…');
const images = z.strictObject({ prometheus: reference, loki: reference, tempo: reference, grafana: reference });

/** Throws `invalid_file`. */
export async function readImages(file: string): Promise<Images> {
  let parsed: ReturnType<typeof images.safeParse>;
  try {
    parsed = images.safeParse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new FleetError('invalid_file', `Cannot read \`${file}\` as JSON.`, { cause, remedy: wanted });
  }
  if (parsed.success) return parsed.data;
  const what = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'file'}: ${issue.message}`).join('; ');
  throw new FleetError('invalid_file', `\`${file}\` does not name the images: ${what}.`, { remedy: wanted });
}

const wanted = `It is {${serviceNames.map((name) => `"${name}": "registry/name:tag@sha256:…"`).join(', ')}}.`;

/** What the engine takes: the digest where there is one, for a tag may move. */
export function toPull(image: string): string {
  const [named = '', digest] = image.split('@');
  return digest === undefined ? named : `${named.replace(/:[^:/]+$/, '')}@${digest}`;
}

const silenceMs = 180_000;

/**
 * Resolves when the engine has the image, pulling it unless it is there. A failed pull is a line of the stream and no error of the
 * call, so each line is read; the end is a look at what the engine now has. Throws `command_failed`.
 */
export async function ensureImage(
  docker: Docker,
  name: ServiceName,
  image: string,
  deps: { clock: Clock; signal: AbortSignal; onProgress: (line: string) => void },
): Promise<{ id: string; pulled: boolean }> {
  const ref = toPull(image);
  const there = await look(docker, ref);
  if (there !== null) return { id: there, pulled: false };
  await pull(docker, name, ref, deps);
  const id = await look(docker, ref);
  if (id === null) throw refused(name, ref, 'the pull ended, and the image is not there');
  return { id, pulled: true };
}

async function look(docker: Docker, ref: string): Promise<string | null> {
  try {
    return (await docker.getImage(ref).inspect()).Id;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return null;
    throw error;
  }
}

async function pull(
  docker: Docker,
  name: ServiceName,
  ref: string,
  { clock, signal, onProgress }: { clock: Clock; signal: AbortSignal; onProgress: (line: string) => void },
): Promise<void> {
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  let silent = clock.after(silenceMs, () => stop.abort());
  const heard = () => {
    silent();
    silent = clock.after(silenceMs, () => stop.abort());
  };
  try {
    const stream = await docker.pull(ref, { abortSignal: ended });
    const layers = new Map<string, { current: number; total: number }>();
    ended.addEventListener('abort', () => (stream as NodeJS.ReadableStream & { destroy(): void }).destroy(), {
      once: true,
    });
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      heard();
      const { error } = takeLine(line, layers);
      if (error !== null) throw refused(name, ref, error);
      const { current, total } = sum(layers);
      onProgress(`pulling ${services[name].title}${total === 0 ? '' : `   ${mib(current)} of ${mib(total)} MiB`}`);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FleetError) throw error;
    const said = stop.signal.aborted ? `nothing came for ${silenceMs / 1000} s` : String((error as Error).message);
    throw refused(name, ref, said, error);
  } finally {
    silent();
  }
  signal.throwIfAborted();
  if (stop.signal.aborted) throw refused(name, ref, `nothing came for ${silenceMs / 1000} s`);
}

const pullLine = z.object({
  id: z.string().optional(),
  status: z.string().optional(),
  progressDetail: z.object({ current: z.number().optional(), total: z.number().optional() }).optional(),
  error: z.string().optional(),
  errorDetail: z.object({ message: z.string().optional() }).optional(),
});

/** One line of a pull: what it says of its layer goes into `layers`; an error is returned. */
export function takeLine(
  line: string,
  layers: Map<string, { current: number; total: number }>,
): { error: string | null } {
  const parsed = pullLine.safeParse(parseJson(line));
  if (!parsed.success) return { error: null };
  const { id, status, progressDetail, error, errorDetail } = parsed.data;
  if (error !== undefined || errorDetail !== undefined)
    return { error: errorDetail?.message ?? error ?? 'no reason was given' };
  if (id !== undefined && status === 'Downloading' && progressDetail?.total !== undefined)
    layers.set(id, { current: progressDetail.current ?? 0, total: progressDetail.total });
  const known = id === undefined ? undefined : layers.get(id);
  if (known && (status === 'Download complete' || status === 'Pull complete')) known.current = known.total;
  return { error: null };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

function sum(layers: ReadonlyMap<string, { current: number; total: number }>) {
  let [current, total] = [0, 0];
  for (const layer of layers.values()) {
    current += layer.current;
    total += layer.total;
  }
  return { current, total };
}

function refused(name: ServiceName, ref: string, said: string, cause?: unknown): FleetError {
  return new FleetError(
    'command_failed',
    `The image of ${services[name].title} could not be pulled (\`${ref}\`): ${said.trim()}`,
    {
      remedy:
        'Look at the network and run  ralph-fleet telemetry up  again: what was fetched is kept. Behind a mirror: --images FILE. Without containers: --native',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}
