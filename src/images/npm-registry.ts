import { homedir } from 'node:os';
import { z } from 'zod';
import { FleetError } from '../lib/errors.ts';
import { baseEnvironment, type Exec, networkEnvironment } from '../lib/exec.ts';

const npmConfig = z.object({ registry: z.url({ protocol: /^https?$/ }), cafile: z.string().nullish() });

/** The npm registry this host itself installs from, by its own configuration; asked anew each time. Throws `command_failed`. */
export async function findNpmRegistry(
  exec: Exec,
  env: Record<string, string | undefined> = process.env,
): Promise<{ url: string; caFile: string | null }> {
  try {
    const { stdout } = await exec(['npm', 'config', 'list', '--json'], {
      env: { ...baseEnvironment(env), ...networkEnvironment(env) },
      cwd: homedir(), // a project's own configuration has no say here
      timeoutMs: 60_000,
    });
    const { registry, cafile } = npmConfig.parse(JSON.parse(stdout));
    return { url: registry, caFile: cafile || null };
  } catch (cause) {
    throw new FleetError('command_failed', 'This host could not say which npm registry it uses.', {
      remedy: 'See whether `npm config list --json` works here; it does not where the address holds a password.',
      cause,
    });
  }
}
