/**
 * Method and path of every route, without schemas, so that the CLI's quick commands need not load them. `routes.ts` adds the
 * schemas to the same names. `:x` is a path parameter.
 */
export const routePaths = {
  healthz: ['GET', '/healthz'],
  readyz: ['GET', '/readyz'],
  daemonStop: ['POST', '/v1/daemon/stop'],
  gatewayUpgrade: ['POST', '/v1/gateway/upgrade'],
  fleet: ['GET', '/v1/fleet'],
  fleetUp: ['POST', '/v1/fleet/up'],
  fleetDown: ['POST', '/v1/fleet/down'],
  fleetPause: ['POST', '/v1/fleet/pause'],
  fleetResume: ['POST', '/v1/fleet/resume'],
  fleetPurge: ['POST', '/v1/fleet/purge'],
  vms: ['GET', '/v1/vms'],
  vm: ['GET', '/v1/vms/:id'],
  vmSnapshot: ['POST', '/v1/vms/:id/snapshot'],
  vmClone: ['POST', '/v1/vms/:id/clone'],
  vmDelete: ['POST', '/v1/vms/:id/delete'],
  vmRewind: ['POST', '/v1/vms/:id/rewind'],
  ralphs: ['GET', '/v1/ralphs'],
  images: ['GET', '/v1/images'],
  imageGc: ['POST', '/v1/images/gc'],
  gc: ['POST', '/v1/gc'],
  imageBuild: ['POST', '/v1/images/build'],
  imageVerify: ['POST', '/v1/images/verify'],
  tasks: ['GET', '/v1/tasks'],
  taskSubmit: ['POST', '/v1/tasks'],
  task: ['GET', '/v1/tasks/:id'],
  taskDiff: ['GET', '/v1/tasks/:id/diff'],
  taskEvidence: ['GET', '/v1/tasks/:id/evidence'],
  taskEvidenceExport: ['POST', '/v1/tasks/:id/evidence/export'],
  replayStart: ['POST', '/v1/replays'],
  replay: ['GET', '/v1/replays/:id'],
  replayCancel: ['POST', '/v1/replays/:id/cancel'],
  taskWhy: ['GET', '/v1/tasks/:id/why'],
  taskApprove: ['POST', '/v1/tasks/:id/approve'],
  taskReject: ['POST', '/v1/tasks/:id/reject'],
  taskCancel: ['POST', '/v1/tasks/:id/cancel'],
  taskPause: ['POST', '/v1/tasks/:id/pause'],
  taskResume: ['POST', '/v1/tasks/:id/resume'],
  taskRetry: ['POST', '/v1/tasks/:id/retry'],
  taskAnswer: ['POST', '/v1/tasks/:id/answer'],
  taskSeen: ['POST', '/v1/tasks/:id/seen'],
  taskPrioritize: ['POST', '/v1/tasks/:id/prioritize'],
  budgets: ['GET', '/v1/budgets'],
  budgetSet: ['POST', '/v1/budgets'],
  credentials: ['GET', '/v1/credentials'],
  credentialUse: ['POST', '/v1/credentials'],
  plan: ['GET', '/v1/plan'],
  report: ['GET', '/v1/report'],
  projects: ['GET', '/v1/projects'],
  projectInspect: ['POST', '/v1/projects/inspect'],
  projectAdd: ['POST', '/v1/projects'],
  projectRemove: ['POST', '/v1/projects/:name/remove'],
  projectNotes: ['GET', '/v1/projects/:name/notes'],
  projectForget: ['POST', '/v1/projects/:name/forget'],
} as const satisfies Record<string, readonly ['GET' | 'POST', string]>;

export type RouteName = keyof typeof routePaths;

/** Server-sent events. `:name` may be an id or a unique prefix where people type it. */
export const streamPaths = {
  events: '/v1/events',
  ralphStream: '/v1/ralphs/:name/stream',
} as const;

/**
 * HTTP upgrade (`Upgrade: ralph-terminal`, answered by 101): afterwards raw bytes both ways, no framing. Query: `write=0|1`, `cols`,
 * `rows`. Without `write` what the client sends is dropped. Refusals are ordinary JSON errors with their status.
 */
export const terminalPath = '/v1/ralphs/:name/terminal';
export const terminalUpgrade = 'ralph-terminal';

/** HTTP upgrade (`Upgrade: ralph-shell`) to a shell in a VM; what is sent then is in `shell.ts`. */
export const shellPath = '/v1/vms/:id/shell';
export const shellUpgrade = 'ralph-shell';

/** Fills the parameters of a path; each is percent-encoded. */
export function fillPath(path: string, params: Readonly<Record<string, string>>): string {
  return path.replace(/:([a-z]+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}
