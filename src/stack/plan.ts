import { canonicalJson } from '../lib/canonical-json.ts';
import { sha256 } from '../lib/digest.ts';
import type { Places, Rendered } from './render.ts';
import type { Addresses, ServiceName } from './services.ts';

/** One service as it is to run. Pure data; a runner (containers or native) makes it so. */
export interface ServicePlan {
  name: ServiceName;
  args: string[];
  env: Record<string, string>;
  /** What the service would be started anew for: its command, and every file it reads. The password is not in it. */
  hash: string;
}

export interface PlanInput {
  addresses: Addresses;
  places: Places;
  rendered: Rendered;
  /** Path of the password's file as Grafana sees it. */
  passwordFile: string;
}

export function planService(name: ServiceName, input: PlanInput): ServicePlan {
  const args = argsOf(name, input);
  const env = name === 'grafana' ? grafanaEnv(input) : {};
  return { name, args, env, hash: sha256(canonicalJson({ args, env, files: [...input.rendered] })).slice(0, 16) };
}

function argsOf(
  name: ServiceName,
  { addresses: { listenHost, ports }, places: { config, data } }: PlanInput,
): string[] {
  if (name === 'loki') return [`-config.file=${config}/loki.yaml`];
  if (name === 'tempo') return [`-config.file=${config}/tempo.yaml`];
  if (name === 'grafana') return [];
  return [
    `--config.file=${config}/prometheus.yml`,
    `--storage.tsdb.path=${data}`,
    '--storage.tsdb.retention.time=15d',
    '--storage.tsdb.retention.size=5GB',
    '--enable-feature=exemplar-storage',
    `--web.listen-address=${listenHost}:${ports.prometheus}`,
    '--log.level=warn',
  ];
}

/** Closed to who has no password, silent towards the internet, changed by files only. */
function grafanaEnv({ addresses: { listenHost, ports }, places: { config, data }, passwordFile }: PlanInput) {
  return {
    GF_SERVER_HTTP_ADDR: listenHost,
    GF_SERVER_HTTP_PORT: String(ports.grafana),
    GF_PATHS_DATA: data,
    GF_PATHS_PLUGINS: `${data}/plugins`,
    GF_PATHS_PROVISIONING: `${config}/provisioning`,
    GF_LOG_MODE: 'console',
    GF_LOG_LEVEL: 'warn',
    GF_SECURITY_ADMIN_USER: 'admin',
    GF_SECURITY_ADMIN_PASSWORD__FILE: passwordFile,
    GF_SECURITY_DISABLE_GRAVATAR: 'true',
    GF_AUTH_ANONYMOUS_ENABLED: 'false',
    GF_USERS_ALLOW_SIGN_UP: 'false',
    GF_SNAPSHOTS_EXTERNAL_ENABLED: 'false',
    GF_ANALYTICS_REPORTING_ENABLED: 'false',
    GF_ANALYTICS_CHECK_FOR_UPDATES: 'false',
    GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: 'false',
    GF_NEWS_NEWS_FEED_ENABLED: 'false',
    GF_PLUGINS_PREINSTALL_DISABLED: 'true',
    GF_PLUGINS_PREINSTALL_AUTO_UPDATE: 'false',
    GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: `${config}/fleet.json`,
  };
}
