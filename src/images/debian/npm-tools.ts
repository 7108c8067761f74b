import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetError } from '../../lib/errors.ts';
import { type CacheDeps, cachedFolder, hashOf } from '../cache.ts';
import type { NpmTool } from '../tools.ts';
import { toolEnvironment } from './environment.ts';

/**
 * A folder with `node_modules`, and beside it `bin` (command and target, one a line) and `versions` (members of a JSON object),
 * installed by the host's npm and kept by what is in it. No package's scripts are run.
 */
export async function installTools(cache: CacheDeps, tools: readonly NpmTool[], signal?: AbortSignal): Promise<string> {
  const specs = tools.map((tool) => `${tool.package}@${tool.version}`);
  const key = `npm-${hashOf(['1', ...specs])}`;
  return await cachedFolder(cache, key, (aside) => install(cache, aside, tools, signal), {
    onWait: () => {},
    signal,
  });
}

async function install(cache: CacheDeps, aside: string, tools: readonly NpmTool[], signal?: AbortSignal) {
  const argv = ['npm', 'install', '--prefix', aside, '--no-audit', '--no-fund', '--ignore-scripts', '--force'];
  argv.push('--no-save', '--no-package-lock', '--os=linux', '--cpu=x64', '--libc=glibc');
  argv.push(...tools.map((tool) => `${tool.package}@${tool.version}`));
  try {
    await cache.exec(argv, {
      cwd: aside,
      env: toolEnvironment({ npm_config_update_notifier: 'false' }),
      timeoutMs: 600_000,
      ...(signal ? { signal } : {}),
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new FleetError(
      'image_failed',
      `npm could not fetch ${tools.map((tool) => `\`${tool.package}\``).join(', ')}.`,
      {
        remedy: 'See whether `npm ping` answers on this machine, then run the same command again.',
        cause,
      },
    );
  }
  const bins = tools.flatMap((tool) => Object.entries(tool.bins));
  for (const [, target] of bins) await chmod(join(aside, 'node_modules', target), 0o755);
  await writeFile(join(aside, 'bin'), bins.map(([name, target]) => `${name} ${target}\n`).join(''));
  const versions = tools.flatMap((tool) => Object.keys(tool.bins).map((name) => [name, tool.version]));
  const members = versions
    .filter(([name]) => name !== 'npx')
    .map((pair) => pair.map((t) => JSON.stringify(t)).join(':'));
  await writeFile(join(aside, 'versions'), `${members.join(',')},`);
}
