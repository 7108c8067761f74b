import { createServer } from 'node:net';
import { join } from 'node:path';
import { Agent } from 'undici';
import { createGate } from '../../src/gateway/budget/gate.ts';
import { openLedger } from '../../src/gateway/ledger/ledger.ts';
import { createLimits } from '../../src/gateway/limits/limits.ts';
import { createIterationMcp } from '../../src/gateway/mcp/iteration-mcp.ts';
import { createPriceList } from '../../src/gateway/meter/price-file.ts';
import { createProxy } from '../../src/gateway/proxy.ts';
import { createRegistryMirror } from '../../src/gateway/registry-mirror.ts';
import { createIntake } from '../../src/gateway/traces/intake.ts';
import { createTraces } from '../../src/gateway/traces/traces.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { createSystemRandom } from '../../src/lib/random.ts';
import { createMeters } from '../../src/telemetry/meters.ts';
import { isGatewaysOwn } from '../../src/telemetry/metrics.ts';
import { withCrashPoint } from './crash-points.ts';
import { credentialOf } from './credential-of.ts';

/**
 * The gateway's proxy, meter and books in a process of their own, behind a TCP port in place of the tunnels: what they add to a
 * call, without the ssh that brings it. argv: folder, upstream, and where it is to crash (`crash-points.ts`), from when it is told
 * so. Prints its URL; line by line on stdin it is told `levels NODE`, `budget JSON`, `grant JSON`, `settlements SEQ` or `crash now`,
 * and answers each with one line of JSON.
 */
const [folder = '', upstream = '', crashPoint] = process.argv.slice(2);
const clock = createSystemClock();
const log = createSilentLog();
const books = openLedger(join(folder, 'gas.db'), {
  now: clock.now,
  timeZone: 'UTC',
  bootId: 'bench',
  after: clock.after,
});
let crashes = false;
const ledger = crashPoint === undefined ? books : withCrashPoint(books, (point) => crashes && point === crashPoint);
const gate = createGate({ ledger, clock });
const key = credentialOf('not-a-real-key', { clock, log });
const limits = createLimits({ rows: ledger.limits, clock, log, random: createSystemRandom() });
const meters = createMeters({ only: isGatewaysOwn, withProcess: false, onError: () => {} });
const traces = createTraces({ clock, log, version: '0', hide: (text) => text });
const proxy = createProxy({
  ...{ ledger, gate, limits, traces, meters, clock, log, settle: ledger.settle },
  credentials: { anthropic: key, openai: key },
  prices: createPriceList({ builtIn: 'prices/prices.json', own: join(folder, 'prices.json'), clock, log }),
  mirror: createRegistryMirror({ clock, log }),
  mcp: createIterationMcp({ ledger, traces, clock, log }),
  intake: createIntake({ ledger, traces, clock, log }),
  upstream: {
    urls: { anthropic: upstream, openai: upstream },
    dispatcher: new Agent({ allowH2: false, headersTimeout: 60_000, bodyTimeout: 60_000 }),
  },
});
const server = createServer((socket) => {
  socket.setNoDelay(true);
  proxy.accept('vm1', socket);
});

function tell(line: string): unknown {
  const [word, rest = ''] = [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)];
  if (word === 'levels') return ledger.levels([rest], clock.now())[0];
  if (word === 'settlements') return ledger.settlements(Number(rest), 10_000).settlements;
  if (word === 'crash') {
    crashes = true;
    return true;
  }
  if (word === 'budget') {
    ledger.putBudgets([JSON.parse(rest)]);
    gate.changed();
    return true;
  }
  const { id, ...grant } = JSON.parse(rest);
  ledger.putGrant(id, grant);
  return true;
}

let said = '';
process.stdin.on('data', (chunk) => {
  said += String(chunk);
  for (let end = said.indexOf('\n'); end >= 0; end = said.indexOf('\n')) {
    process.stdout.write(`${JSON.stringify(tell(said.slice(0, end)))}\n`);
    said = said.slice(end + 1);
  }
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}\n`);
});
process.once('SIGTERM', () => process.exit(0));
