import { parentPort, workerData } from 'node:worker_threads';
import { createSystemClock } from '../lib/clock.ts';
import { formatError } from '../lib/errors.ts';
import { redact } from '../lib/log.ts';
import { createLoki } from '../telemetry/logs/loki.ts';
import { createRelay } from '../telemetry/logs/relay.ts';
import type { LogSource } from '../telemetry/logs/source.ts';
import type { FromRelay, RelaySettings, ToRelay } from './log-relay.ts';

/** The thread of the relay: whatever the logs cost, the daemon's own thread does not wait for it. */
const { url, fleet, cursorFile, secrets, figuresMs } = workerData as RelaySettings;
const deadlineMs = 30_000;
const clock = createSystemClock();
const end = new AbortController();
let sources: readonly LogSource[] | null = null;

const tell = (message: FromRelay) => parentPort?.postMessage(message);
const say = (level: 'info' | 'warn') => (fields: unknown, msg?: string) => {
  if (msg === undefined) return tell({ say: { level, fields: {}, msg: String(fields) } });
  const { err, ...more } = fields as Record<string, unknown>;
  tell({ say: { level, fields: err === undefined ? more : { ...more, err: formatError(err) }, msg } });
};

/** Also as they stand inside of JSON. */
const hidden = secrets.flatMap((secret) => [...new Set([secret, JSON.stringify(secret).slice(1, -1)])]);
const hide = (text: string) => redact(hidden.reduce((left, secret) => left.replaceAll(secret, '[redacted]'), text));

const relay = createRelay({
  ...{ fleet, cursorFile, clock, hide },
  loki: createLoki({ url, deadlineMs }),
  log: { info: say('info'), warn: say('warn') },
  sources: () => sources,
});

parentPort?.on('message', (message: ToRelay) => {
  if ('sources' in message) sources = message.sources;
  else end.abort();
});

const report = setInterval(() => {
  const figures = relay.figures();
  if (figures !== null) tell({ figures });
}, figuresMs);
await relay.run(end.signal);
clearInterval(report);
parentPort?.close();
