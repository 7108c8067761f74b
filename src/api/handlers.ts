import type { z } from 'zod';
import { approve, reject } from '../actions/approve.ts';
import { findLevel, setBudget } from '../actions/budget.ts';
import { findTask } from '../actions/find-task.ts';
import { findSubject } from '../actions/find-vm.ts';
import { fleetDown, fleetPause, fleetResume, fleetUp } from '../actions/fleet.ts';
import { disksToRemove, removeDisks } from '../actions/image.ts';
import { findProject, forgetLessons } from '../actions/lessons.ts';
import { addProject, inspectProject, removeProject } from '../actions/project.ts';
import { cancelReplay } from '../actions/replay.ts';
import { rewind } from '../actions/rewind.ts';
import { submit } from '../actions/submit.ts';
import { answer, cancel, markSeen, pause, prioritize, resume, retry } from '../actions/task.ts';
import { cloneVm, deleteVm, snapshotVm } from '../actions/vm.ts';
import type { ProjectView } from '../contract/actions.ts';
import type { RouteName } from '../contract/route-paths.ts';
import type { Response, routes } from '../contract/routes.ts';
import type { Disk } from '../domain/disk.ts';
import type { Project } from '../domain/project.ts';
import { toIso } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import { budgetNodes, budgetsView } from '../queries/budget-view.ts';
import { evidenceView } from '../queries/evidence-view.ts';
import { diskView, fleetView } from '../queries/fleet-view.ts';
import { lessonsView } from '../queries/lessons-view.ts';
import { replayView } from '../queries/replay-view.ts';
import { reportView } from '../queries/report-view.ts';
import { taskView } from '../queries/task-view.ts';
import { vmDetails } from '../queries/vm-details.ts';
import { planView, whyView } from '../queries/why-view.ts';
import type { ApiDeps } from './deps.ts';

/** What a handler is given: checked by the route's schemas before. */
export interface Asked<N extends RouteName> {
  params: Readonly<Record<string, string>>;
  query: z.output<(typeof routes)[N]['query']>;
  body: z.output<(typeof routes)[N]['request']>;
}

type Handler<N extends RouteName> = (deps: ApiDeps, asked: Asked<N>) => Response<N> | Promise<Response<N>>;

const maxPatchChars = 4 * 1024 * 1024;
const name = (asked: { params: Readonly<Record<string, string>> }) => asked.params['name'] ?? '';
const id = (asked: { params: Readonly<Record<string, string>> }) => asked.params['id'] ?? '';

/** One handler per route; the compiler sees to it that none is missing. They only translate: actions and queries do the work. */
export const handlers: { [N in RouteName]: Handler<N> } = {
  healthz: () => ({ ok: true }),
  readyz: (deps) => deps.ready(),
  daemonStop: (deps) => {
    deps.stop();
    return { pid: deps.queries.live.pid };
  },
  gatewayUpgrade: (deps) => deps.upgradeGateway(),
  fleet: (deps) => fleetView(deps.queries),
  fleetUp: async (deps, { body }) => {
    if (body.config !== null) await deps.takeConfig(body.config);
    const told = fleetUp(deps.actions);
    if (body.demo) await deps.startDemo();
    return told;
  },
  fleetDown: (deps, { body }) => fleetDown(deps.actions, body.delete),
  fleetPause: (deps) => fleetPause(deps.actions),
  fleetResume: (deps) => fleetResume(deps.actions),
  fleetPurge: async (deps, { body }) => ({ unmerged: unmerged(deps), ...(await deps.purge(body.confirmed)) }),
  vms: async (deps) => {
    const bytes = await deps.vmDiskBytes();
    return listed(fleetView(deps.queries).vms.map((vm) => ({ ...vm, diskBytes: bytes.get(vm.id) ?? null })));
  },
  vm: async (deps, asked) => {
    const { vm, task } = findSubject(deps.actions, id(asked));
    return vmDetails(deps.queries, { vm, task: task?.id ?? null }, await deps.vmDiskBytes());
  },
  vmSnapshot: (deps, asked) => snapshotVm(deps.actions, id(asked), deps.newId()),
  vmClone: (deps, asked) => cloneVm(deps.actions, id(asked), { vm: deps.newId(), snapshot: deps.newId() }),
  vmDelete: (deps, asked) => deleteVm(deps.actions, id(asked)),
  vmRewind: (deps, asked) => rewind(deps.actions, id(asked), asked.body),
  ralphs: (deps) => listed(fleetView(deps.queries).ralphs),
  images: async (deps) => listed(await shownDisks(deps, deps.queries.store.disks.list('ORDER BY since'))),
  imageGc: async (deps, { body }) => {
    const going = disksToRemove(deps.actions);
    const disks = await shownDisks(deps, going);
    if (body.confirmed) removeDisks(deps.actions);
    return { removed: body.confirmed, disks };
  },
  gc: async (deps, { body }) => {
    const { items, problems } = await deps.gc(body.confirmed);
    return {
      removed: body.confirmed,
      items,
      sizeBytes: items.reduce((sum, item) => sum + item.sizeBytes, 0),
      problems,
    };
  },
  imageBuild: (deps) => deps.wantImage(),
  imageVerify: (deps, { body }) => deps.verifyImage(body.key),
  tasks: (deps, { query }) => {
    const states = query.state?.split(',');
    const rows = fleetView(deps.queries).tasks;
    return listed(
      rows.filter((row) => (query.project ?? row.project) === row.project && (states?.includes(row.state) ?? true)),
    );
  },
  taskSubmit: (deps, { body }) => ({ tasks: submit(deps.actions, body) }),
  task: async (deps, asked) => {
    const task = findTask(deps.actions, id(asked));
    return taskView(deps.queries, task, await deps.filesOf(task));
  },
  taskDiff: async (deps, asked) => {
    const task = findTask(deps.actions, id(asked));
    const { head, base } = task;
    if (head === null || base === null) {
      throw new FleetError('refused', `Nothing of \`${task.id}\` is saved yet: it is \`${task.phase}\`.`, {
        remedy: `ralph-fleet why ${task.id}`,
      });
    }
    const patch = await deps.diffOf(task);
    const truncated = patch.length > maxPatchChars;
    return {
      task: task.id,
      base,
      commit: head,
      files: await deps.filesOf(task),
      patch: patch.slice(0, maxPatchChars),
      truncated,
    };
  },
  taskEvidence: async (deps, asked) => {
    const task = findTask(deps.actions, id(asked));
    const files = await deps.filesOf(task);
    return evidenceView(deps.queries, task, { files, baseIsTip: await deps.isBaseTip(task) });
  },
  taskEvidenceExport: (deps, asked) => {
    const task = findTask(deps.actions, id(asked));
    return deps.exportEvidence(task, asked.body.path);
  },
  replayStart: async (deps, { body }) => replayView(deps.queries, await deps.startReplay(body)),
  replay: (deps, asked) => replayView(deps.queries, deps.actions.store.replays.mustGet(id(asked))),
  replayCancel: (deps, asked) => cancelReplay(deps.actions, id(asked)),
  taskWhy: async (deps, asked) => whyView(deps.queries, findTask(deps.actions, id(asked)), await deps.look()),
  taskApprove: (deps, asked) => approve(deps.actions, id(asked), asked.body),
  taskReject: (deps, asked) => reject(deps.actions, id(asked), asked.body),
  taskCancel: (deps, asked) => cancel(deps.actions, id(asked)),
  taskPause: (deps, asked) => pause(deps.actions, id(asked)),
  taskResume: (deps, asked) => resume(deps.actions, id(asked)),
  taskRetry: (deps, asked) => retry(deps.actions, id(asked), asked.body.notes),
  taskAnswer: (deps, asked) => answer(deps.actions, id(asked), asked.body),
  taskSeen: (deps, asked) => markSeen(deps.actions, id(asked)),
  taskPrioritize: (deps, asked) => prioritize(deps.actions, id(asked), asked.body.priority),
  budgets: async (deps, { query }) => {
    const asked = query.level === undefined ? null : findLevel(deps.actions, query.level);
    const nodes = budgetNodes(deps.queries, asked);
    const { levels, spent } = await deps.budgets(nodes, asked);
    return budgetsView(deps.queries, { nodes, asked, levels, spent });
  },
  budgetSet: (deps, { body }) => setBudget(deps.actions, body),
  credentials: async (deps) => listed(await deps.credentials.view()),
  credentialUse: (deps, { body }) => deps.credentials.use(body),
  plan: async (deps) => planView(deps.queries, await deps.look()),
  report: (deps, { query }) => reportView(deps.queries, Date.parse(query.since)),
  projects: (deps) =>
    listed(deps.actions.store.projects.list('ORDER BY name').map((project) => projectView(deps, project))),
  projectInspect: (deps, { body }) => inspectProject(deps.actions, body.path),
  projectAdd: async (deps, { body }) => projectView(deps, await addProject(deps.actions, body)),
  projectNotes: (deps, asked) => listed(lessonsView(deps.queries, findProject(deps.actions, name(asked)))),
  projectForget: (deps, asked) => forgetLessons(deps.actions, name(asked), asked.body.id),
  projectRemove: (deps, asked) => removeProject(deps.actions, name(asked)),
};

async function shownDisks(deps: ApiDeps, disks: readonly Disk[]) {
  const sizes = await deps.diskSizes(disks);
  return disks.map((disk) => diskView(deps.queries, disk, sizes.get(disk.key) ?? null));
}

function listed<T>(items: T[]): { items: T[]; next: string | null } {
  return { items, next: null };
}

function projectView({ actions }: ApiDeps, project: Project): ProjectView {
  const { name, path, branch, settings, settingsFrom, addedAt } = project;
  return {
    name,
    path,
    branch,
    settings,
    settingsFrom,
    remote: actions.changes.remoteUrl(name),
    addedAt: toIso(addedAt),
  };
}

function unmerged({ actions }: ApiDeps) {
  const rows = actions.store.tasks.list("WHERE head IS NOT NULL AND phase NOT IN ('merged', 'pr_open')");
  return rows.map(({ id: task, title, phase, head }) => ({ task, title, phase, commit: head }));
}
