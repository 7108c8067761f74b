import { baseEnvironment } from '../../lib/exec.ts';

/** How this machine reaches the network (proxy, its own certificates, npm registry), for programs that fetch. */
const networkVariables =
  /^(https?_proxy|no_proxy|all_proxy|node_extra_ca_certs|ssl_cert_(file|dir)|npm_config_registry)$/i;

/** Environment of a build's commands. mke2fs and others stand in sbin, which a user's PATH may lack. */
export function toolEnvironment(
  more: Record<string, string> = {},
  from: Record<string, string | undefined> = process.env,
): Record<string, string> {
  const env = baseEnvironment(from);
  for (const [name, value] of Object.entries(from)) {
    if (value !== undefined && networkVariables.test(name)) env[name] = value;
  }
  return { ...env, PATH: `${env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C.UTF-8', ...more };
}
