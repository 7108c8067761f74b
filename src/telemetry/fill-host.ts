import { readFileSync, statfsSync, statSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import type { Put } from './meters.ts';

export interface HostPlaces {
  state: string;
  cache: string;
  fleetDb: string;
  gasDb: string;
}

/** Memory, disks and pressure of the host, and the size of the databases, as they are now. What cannot be read is not there. */
export function fillHost(put: Put, { state, cache, fleetDb, gasDb }: HostPlaces): void {
  put.set('host_memory_size_bytes', {}, totalmem());
  put.set('host_memory_available_bytes', {}, availableMemory());
  for (const [part, folder] of [
    ['state', state],
    ['cache', cache],
  ] as const) {
    const found = unlessAbsent(() => statfsSync(folder));
    if (found === null) continue;
    put.set('host_disk_size_bytes', { part }, found.blocks * found.bsize);
    put.set('host_disk_free_bytes', { part }, found.bavail * found.bsize);
  }
  fillPressure(put);
  const files = { fleet: fleetDb, 'fleet-wal': `${fleetDb}-wal`, gas: gasDb, 'gas-wal': `${gasDb}-wal` };
  for (const [part, file] of Object.entries(files)) {
    const size = unlessAbsent(() => statSync(file).size);
    if (size !== null) put.set('store_bytes', { part }, size);
  }
}

/** What can be had without swapping: more than what is free. */
function availableMemory(): number {
  const text = unlessAbsent(() => readFileSync('/proc/meminfo', 'utf8'));
  const [, kib] = /^MemAvailable:\s+(\d+) kB$/m.exec(text ?? '') ?? [];
  return kib === undefined ? freemem() : Number(kib) * 1024;
}

/** https://docs.kernel.org/accounting/psi.html: `some avg10=0.00 avg60=0.00 avg300=0.00 total=123`, in microseconds. */
function fillPressure(put: Put): void {
  for (const resource of ['cpu', 'memory', 'io']) {
    const text = unlessAbsent(() => readFileSync(`/proc/pressure/${resource}`, 'utf8')) ?? '';
    for (const [, kind = '', total] of text.matchAll(/^(some|full) .*total=(\d+)$/gm)) {
      put.total('host_pressure_seconds_total', { resource, kind }, Number(total) / 1e6);
    }
  }
}

function unlessAbsent<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
