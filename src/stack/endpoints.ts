import { readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileAtomic } from '../lib/atomic-file.ts';

/**
 * What `telemetry up` tells the daemon and the gateway: where to send, while the stack runs. It stands in the state folder and
 * overrides only what fleet.yaml leaves open; the user's file is never written. `telemetry down` removes it.
 */
const address = z.strictObject({ url: z.string() });
const endpoints = z.object({
  version: z.literal(1),
  /** host:port Prometheus scrapes. */
  metrics: z.strictObject({ listen: z.string() }),
  prometheus: address.nullable(),
  loki: address.nullable(),
  /** OTLP over HTTP: `/v1/traces` follows. */
  otlp: address.nullable(),
  tempo: address.nullable(),
  grafana: address.nullable(),
});
export type Endpoints = z.output<typeof endpoints>;

/** null when no stack of the fleet's runs, and for a file that is not whole or not ours. */
export async function readEndpoints(file: string): Promise<Endpoints | null> {
  try {
    return endpoints.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return null;
  }
}

export async function writeEndpoints(file: string, found: Endpoints): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(found, null, 2)}\n`);
}

export async function forgetEndpoints(file: string): Promise<void> {
  await rm(file, { force: true });
}
