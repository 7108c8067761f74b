import { readFile } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { rootCertificates } from 'node:tls';
import { Agent, type Dispatcher, interceptors, request } from 'undici';
import type { Mirror } from '../contract/gateway.ts';
import { type RegistryKind, registryKinds, registryPath } from '../domain/registry.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError, isAbort } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

/**
 * The host's package registries, read-only, for VMs the daemon named: a project's setup runs before any agent and needs no
 * other network. GET and HEAD, no body, no query, no credential in either direction; bytes pass as they come.
 */
export interface RegistryMirror {
  put(vm: string, mirror: Mirror): Promise<void>;
  delete(vm: string): void;
  list(): { vm: string; mirror: Mirror }[];
  /** False when the request is none for a registry. */
  serve(vm: string, req: IncomingMessage, res: ServerResponse): Promise<boolean>;
  close(): Promise<void>;
}

interface Registry {
  /** With a slash at its end. */
  url: URL;
  dispatcher: Dispatcher;
  agent: Agent;
}

interface Granted {
  mirror: Mirror;
  registries: Map<RegistryKind, Registry>;
  expiresAt: number;
}

const silenceMs = 60_000;
/** Longer files are cut off. */
const maxBytes = 1024 ** 3;
const requestNames = ['accept', 'accept-encoding', 'if-none-match', 'if-modified-since', 'user-agent'];
const responseNames = [
  ...['content-type', 'content-length', 'content-encoding', 'etag', 'last-modified', 'cache-control', 'date', 'vary'],
  'retry-after',
];

export function createRegistryMirror(deps: { clock: Clock; log: Log }): RegistryMirror {
  const granted = new Map<string, Granted>();

  function forget(vm: string): void {
    const registries = granted.get(vm)?.registries;
    granted.delete(vm);
    for (const { agent } of registries?.values() ?? []) void agent.destroy();
  }

  return {
    async put(vm, mirror) {
      const registries = new Map<RegistryKind, Registry>();
      for (const { kind, url, caFile } of mirror.registries) registries.set(kind, await open(url, caFile));
      forget(vm);
      granted.set(vm, { mirror, registries, expiresAt: mirror.expiresAt });
    },
    delete: forget,
    list: () => [...granted].map(([vm, { mirror }]) => ({ vm, mirror })),
    async serve(vm, req, res) {
      const its = granted.get(vm);
      const asked = parse(req.url ?? '', its !== undefined);
      if (asked === null) return false;
      const registry = its?.registries.get(asked.kind);
      if (its === undefined || registry === undefined || its.expiresAt <= deps.clock.now()) {
        refuse(res, 403, 'Package registries are open to a setup that needs them, and to nothing else.');
      } else if (req.method !== 'GET' && req.method !== 'HEAD') {
        refuse(res, 405, 'Package registries are read-only here.');
      } else {
        await pass(deps.log, { registry, path: asked.path, method: req.method }, req, res);
      }
      return true;
    },
    async close() {
      for (const vm of granted.keys()) forget(vm);
    },
  };
}

async function open(text: string, caFile: string | null): Promise<Registry> {
  const url = new URL(text.endsWith('/') ? text : `${text}/`);
  if (url.username !== '' || url.search !== '') {
    throw new FleetError('usage', 'The address of a package registry may hold no credential and no query.');
  }
  const ca = caFile === null ? {} : { ca: [...rootCertificates, await readCertificates(caFile)] };
  const agent = new Agent({ connect: ca, headersTimeout: silenceMs, bodyTimeout: silenceMs, allowH2: false });
  return { url, agent, dispatcher: agent.compose(interceptors.redirect({ maxRedirections: 5 })) };
}

async function readCertificates(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new FleetError('storage', `Cannot read the certificates \`${file}\` of the package registry.`, { cause });
  });
}

/**
 * npm asks for a tarball by the path of the address in its metadata, below our host but without our prefix: a VM that has the
 * registry may name it so. Undecoded, so what is checked is what is sent.
 */
function parse(url: string, isGranted: boolean): { kind: RegistryKind; path: string } | null {
  const named = registryKinds.find((kind) => url.startsWith(registryPath(kind)));
  if (named === undefined && !(isGranted && /^\/[^?]+\/-\/[^/?]+\.tgz$/.test(url))) return null;
  const path = url.slice(named === undefined ? 1 : registryPath(named).length);
  const isPlain = /^[\w@.~+%-]+(\/[\w@.~+%-]+)*$/.test(path) && !/(^|\/|%2f)\.{1,2}($|\/|%2f)|%2e|%5c/i.test(path);
  return isPlain ? { kind: named ?? 'npm', path } : null;
}

async function pass(
  log: Log,
  asked: { registry: Registry; path: string; method: 'GET' | 'HEAD' },
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { url, dispatcher } = asked.registry;
  // Tarballs' addresses hold the registry's own path already.
  const own = url.pathname.slice(1);
  const target = `${url.origin}/${own !== '' && asked.path.startsWith(own) ? '' : own}${asked.path}`;
  const abort = new AbortController();
  res.once('close', () => abort.abort());
  try {
    const headers = pick(req.headers, requestNames);
    const answer = await request(target, { method: asked.method, headers, dispatcher, signal: abort.signal });
    res.writeHead(answer.statusCode, pick(answer.headers, responseNames));
    await pipeline(bounded(answer.body), res);
  } catch (error) {
    if (!isAbort(error)) log.warn({ path: asked.path, err: String(error) }, 'a package registry did not answer');
    refuse(res, 502, 'The gateway could not reach the package registry of this host.');
  }
}

async function* bounded(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let sent = 0;
  for await (const chunk of body) {
    sent += chunk.length;
    if (sent > maxBytes) throw new FleetError('too_large', 'A file of a package registry is too large.');
    yield chunk;
  }
}

function pick(from: IncomingHttpHeaders, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = from[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

function refuse(res: ServerResponse, status: number, error: string): void {
  if (res.headersSent) return void res.destroy();
  const body = JSON.stringify({ error });
  const length = String(Buffer.byteLength(body));
  res
    .writeHead(status, { 'content-type': 'application/json', 'content-length': length, connection: 'close' })
    .end(body);
}
