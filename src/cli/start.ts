import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createClient } from '../client/client.ts';
import { createSystemClock } from '../lib/clock.ts';
import { formatError } from '../lib/errors.ts';
import { resolvePaths } from '../lib/paths.ts';
import { resourcePath } from '../lib/resources.ts';
import { createIo } from './frame/io.ts';
import { runCli } from './main.ts';

function placesOrEnd() {
  try {
    return resolvePaths();
  } catch (error) {
    process.stderr.write(`✗ ${formatError(error)}\n`);
    return process.exit(2);
  }
}

const paths = placesOrEnd();
const clock = createSystemClock();
// What scripts/setup brings (jj) is found also by what this command starts.
process.env['PATH'] = `${join(paths.tools, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`;
const called = new AbortController();
process.once('SIGINT', () => called.abort()); // a second ctrl-C ends it at once
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // the reader of a pipe went away
  process.stderr.write(`Cannot print the result: ${error.message}\n`);
  process.exit(1);
});
process.stderr.on('error', () => {}); // nobody reads the rest: no reason to stop

process.exitCode = await runCli(process.argv.slice(2), {
  io: createIo(called),
  env: process.env,
  paths,
  clock,
  signal: called.signal,
  version: () => String(JSON.parse(readFileSync(resourcePath('package.json'), 'utf8')).version),
  self: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
  preflight: async (wanted) => {
    const { hostPreflight } = await import('../preflight/host-preflight.ts');
    const client = createClient({ socketPath: paths.daemonSocket, clock });
    const credentials = async () => (await client.call('credentials')).items;
    return hostPreflight({
      ...wanted,
      env: process.env,
      paths,
      clock,
      credentials: () => credentials().catch(() => null),
    });
  },
});
