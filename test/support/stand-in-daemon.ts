import { closeSync, openSync } from 'node:fs';
import { createGatewayClient } from '../../src/gateway/client.ts';
import { spawnDetached } from '../../src/lib/exec.ts';
import { resolvePaths } from '../../src/lib/paths.ts';

/**
 * Stands in for the daemon in a test that kills it: starts the gateway as a process of its own, prints that one's pid and
 * lives on. argv: log file, then the gateway's arguments.
 */
const [logFile = '', ...rest] = process.argv.slice(2);
const logFd = openSync(logFile, 'a');
const env = Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name, value ?? '']));
const pid = spawnDetached([process.execPath, 'src/daemon/gateway-main.ts', ...rest], { env, logFd });
closeSync(logFd);
const client = createGatewayClient(resolvePaths().gatewaySocket);
while ((await client.health().catch(() => null)) === null) await new Promise((resolve) => setTimeout(resolve, 50));
process.stdout.write(`${pid}\n`);
setInterval(() => {}, 60_000);
