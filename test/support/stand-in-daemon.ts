import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { makeFolders } from '../../src/daemon/folders.ts';
import { createGatewayProcess } from '../../src/daemon/gateway-process.ts';
import { createGatewayClient } from '../../src/gateway/client.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { resolvePaths } from '../../src/lib/paths.ts';
import { config } from './rows.ts';

/**
 * What the daemon is to its gateway, in a process that a test may kill: starts it, prints its pid, and lives on. Each `upgrade` on
 * stdin puts a new one in its place, and is answered with a line of JSON. argv: --upstream, --guest-socket.
 */
const { values } = parseArgs({ options: { upstream: { type: 'string' }, 'guest-socket': { type: 'string' } } });
const { upstream = '', 'guest-socket': guestSocket = '' } = values;
const paths = resolvePaths();
await makeFolders(paths);
const gateway = createGatewayProcess({
  paths,
  clock: createSystemClock(),
  log: createSilentLog(),
  config: () => ({ ...config, credentials: {}, upstream: { anthropic: upstream, openai: upstream } }),
  env: process.env,
  sshKeyFile: '',
  credentials: () => [{ provider: 'anthropic', source: { from: 'env', name: 'ANTHROPIC_API_KEY' } }],
  findRegistry: () => Promise.reject(new Error('none here')),
  extraArgs: ['--guest-socket', guestSocket],
});
await gateway.ensure();
const client = createGatewayClient(paths.gatewaySocket);
process.stdout.write(`${(await client.health()).pid}\n`);
await client.close();
for await (const _ of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await gateway.upgrade())}\n`);
}
setInterval(() => {}, 60_000);
