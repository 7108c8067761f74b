#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { delimiter, join } from 'node:path';

enableCompileCache();
const { createIo } = await import('./frame/io.ts');
const { createSystemClock } = await import('../lib/clock.ts');
const { resolvePaths } = await import('../lib/paths.ts');
const { resourcePath } = await import('../lib/resources.ts');
const { runCli } = await import('./main.ts');

const { formatError } = await import('../lib/errors.ts');

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
    return hostPreflight({ ...wanted, env: process.env, paths, clock });
  },
});
