import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/** Grain of the time of boot where the system has no better name for it: the clock may be set a little. */
const grainMs = 600_000;

/** Names this boot of the host: the same until it goes down. */
export function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return `since-${Math.round((Date.now() - uptime() * 1000) / grainMs)}`;
  }
}
