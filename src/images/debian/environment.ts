import { baseEnvironment, networkEnvironment } from '../../lib/exec.ts';

/** Environment of a build's commands. mke2fs and others stand in sbin, which a user's PATH may lack. */
export function toolEnvironment(
  more: Record<string, string> = {},
  from: Record<string, string | undefined> = process.env,
): Record<string, string> {
  const env = { ...baseEnvironment(from), ...networkEnvironment(from) };
  return { ...env, PATH: `${env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C.UTF-8', ...more };
}
