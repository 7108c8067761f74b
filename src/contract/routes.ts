import { z } from 'zod';
import * as actions from './actions.ts';
import * as budgets from './budgets.ts';
import { done, listOf } from './common.ts';
import * as credentials from './credentials.ts';
import { gatewayUpgraded, readyView, stopping } from './daemon-view.ts';
import { evidenceView } from './evidence.ts';
import { diskView, fleetView, ralphView, taskRow, vmView } from './fleet-view.ts';
import { planView, whyView } from './plan-view.ts';
import * as replays from './replay.ts';
import { reportQuery, reportView } from './report.ts';
import type { RouteName } from './route-paths.ts';
import { diffView, taskView } from './task-view.ts';
import * as vms from './vms.ts';

/** The schemas of every route of `route-paths.ts`. Server and client both use this table; OpenAPI is made from it. */
export interface Route {
  request: z.ZodType;
  query: z.ZodType;
  response: z.ZodType;
  /** One sentence for the API's documentation. */
  summary: string;
}

const none = z.strictObject({});
const get = <R extends z.ZodType, Q extends z.ZodType = typeof none>(summary: string, response: R, query?: Q) => ({
  request: none,
  query: (query ?? none) as Q,
  response,
  summary,
});
const post = <B extends z.ZodType, R extends z.ZodType>(summary: string, request: B, response: R) => ({
  request,
  query: none,
  response,
  summary,
});

/** `project` and `state` narrow the list; `state` takes several, separated by commas. */
const taskQuery = z.strictObject({ project: z.string().optional(), state: z.string().optional() });

export const routes = {
  healthz: get('Whether it listens.', z.object({ ok: z.literal(true) })),
  readyz: get('Whether its first pass has ended.', readyView),
  daemonStop: post('Ends the daemon; Ralphs go on.', none, stopping),
  gatewayUpgrade: post('Puts a new gateway in place of the one that runs; calls go on.', none, gatewayUpgraded),
  fleet: get('The status document.', fleetView),
  fleetUp: post('Wants the fleet up.', actions.fleetUp, done),
  fleetDown: post('Saves the work, then stops Ralphs and VMs.', actions.fleetDown, done),
  fleetPause: post('Freezes the fleet.', none, done),
  fleetResume: post('Thaws the fleet.', none, done),
  fleetPurge: post('Removes what the fleet keeps; lists unmerged work first.', actions.fleetPurge, actions.purgeAnswer),
  vms: get('The VMs.', listOf(vmView)),
  vm: get('One VM, and the snapshots of it or its task.', vms.vmDetails),
  vmSnapshot: post('Keeps the disk of a VM as it is.', none, vms.vmMade),
  vmClone: post('Makes a copy of a VM, or of a snapshot, for a person.', none, vms.vmMade),
  vmDelete: post('Removes a clone, or a snapshot.', none, done),
  vmRewind: post('Puts a task back to an earlier iteration, disk and change together.', vms.vmRewind, done),
  ralphs: get('The Ralphs.', listOf(ralphView)),
  images: get('Images and prepared disks.', listOf(diskView)),
  imageGc: post('Removes disks nobody needs.', actions.imageGc, actions.imageGcAnswer),
  gc: post(
    'Lists what of the cache and the state folder nobody needs, and removes it.',
    actions.imageGc,
    actions.gcAnswer,
  ),
  imageBuild: post('Wants the image built; a cached one is taken.', none, done),
  imageVerify: post('Boots an image and says what its guest finds.', actions.imageVerify, actions.imageVerified),
  tasks: get('The tasks.', listOf(taskRow), taskQuery),
  taskSubmit: post('Adds tasks to the queue.', actions.taskSubmit, actions.taskSubmitted),
  task: get('One task whole.', taskView),
  taskDiff: get('The change of a task.', diffView),
  taskEvidence: get('What was checked.', evidenceView),
  taskEvidenceExport: post('Writes the evidence bundle.', replays.evidenceExport, replays.evidenceExported),
  replayStart: post('Does once more what evidence records.', replays.replayStart, replays.replayView),
  replay: get('How a replay stands.', replays.replayView),
  replayCancel: post('Calls a replay off.', none, done),
  taskWhy: get('Why it does not move.', whyView),
  taskApprove: post("The human's yes to one commit.", actions.taskApprove, done),
  taskReject: post("The human's no, with notes for the implementer.", actions.taskReject, done),
  taskCancel: post('Ends a task; its work is kept.', none, done),
  taskPause: post('Parks a task.', none, done),
  taskResume: post('Lets a parked task go on.', none, done),
  taskRetry: post('Lets a failed or stalled task start again.', actions.taskRetry, done),
  taskAnswer: post('Answers a question of a Ralph.', actions.taskAnswer, done),
  taskSeen: post('Says that a person has seen its flags, and that it failed.', none, done),
  taskPrioritize: post('Changes its place in the queue.', actions.taskPrioritize, done),
  budgets: get('The budget tree: limits, what was spent, what is left.', budgets.budgetsView, budgets.budgetsQuery),
  budgetSet: post('Sets limits at one level of the budget tree.', budgets.budgetSet, done),
  credentials: get(
    'Where the credential of each provider comes from, and how it stands.',
    listOf(credentials.credentialView),
  ),
  credentialUse: post(
    'Says where a credential comes from; never the credential.',
    credentials.credentialUse,
    credentials.credentialUsed,
  ),
  plan: get('What the next pass would do.', planView),
  report: get('What was done and spent since a time.', reportView, reportQuery),
  projects: get('The registered repositories.', listOf(actions.projectView)),
  projectInspect: post('Looks at a checkout, changes nothing.', actions.projectInspect, actions.projectInspection),
  projectAdd: post('Registers a repository.', actions.projectAdd, actions.projectView),
  projectRemove: post('Forgets a repository; refuses while it has unfinished tasks.', none, done),
  projectNotes: get('What agents learned about a project.', listOf(actions.lessonView)),
  projectForget: post('Takes out what agents learned, for good.', actions.projectForget, done),
} as const satisfies Record<RouteName, Route>;

export type Request<N extends RouteName> = z.input<(typeof routes)[N]['request']>;
export type Query<N extends RouteName> = z.input<(typeof routes)[N]['query']>;
export type Response<N extends RouteName> = z.output<(typeof routes)[N]['response']>;
