import { createSystemClock } from '../../src/lib/clock.ts';
import { createSilentLog, redact } from '../../src/lib/log.ts';
import { createLoki } from '../../src/telemetry/logs/loki.ts';
import { createRelay } from '../../src/telemetry/logs/relay.ts';
import type { LogSource } from '../../src/telemetry/logs/source.ts';

/** A relay in a process that a test may kill. argv: the address of Loki, the file of the cursor, the sources as JSON. */
const [url = '', cursorFile = '', sources = '[]'] = process.argv.slice(2);
const offered = JSON.parse(sources) as LogSource[];
const relay = createRelay({
  ...{ fleet: 'main', hide: redact, clock: createSystemClock(), cursorFile, log: createSilentLog() },
  loki: createLoki({ url, deadlineMs: 5_000 }),
  sources: () => offered,
});
await relay.run(new AbortController().signal);
