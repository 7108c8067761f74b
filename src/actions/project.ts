import { basename } from 'node:path';
import type { CheckoutFacts } from '../changes/changes.ts';
import { formatProblems } from '../config/problems.ts';
import { readFor } from '../config/project/ecosystems.ts';
import { readProjectSettings } from '../config/project/load.ts';
import { propose } from '../config/project/propose.ts';
import type { Project, ProjectSettings } from '../domain/project.ts';
import { isEnded } from '../domain/task.ts';
import { FleetError } from '../lib/errors.ts';
import { type ActionDeps, type Done, done } from './deps.ts';

export interface Inspection {
  path: string;
  name: string;
  branch: string | null;
  tip: string | null;
  dirty: boolean;
  settings: ProjectSettings;
  settingsFrom: 'file' | 'proposed';
  problems: { what: string; remedy: string }[];
  /** What the settings ask for and do not get, a line each. */
  warnings: string[];
}

const settingsFile = '.ralph/project.yaml';
const noSettings: ProjectSettings = {
  setup: null,
  protected: [],
  checks: [],
  registries: [],
  packages: [],
  services: [],
};

/** Looks at a checkout and says what `addProject` would make of it. The user's repository is only read. */
export async function inspectProject(deps: ActionDeps, path: string): Promise<Inspection> {
  const facts = await deps.changes.inspect(path);
  const name = projectName(path);
  const problems = problemsOf(path, facts);
  const seen = { path, name, branch: facts.branch, tip: facts.tip, dirty: facts.dirty, problems };
  if (facts.tip === null || problems.some((problem) => problem.what.startsWith('It '))) {
    return { ...seen, settings: noSettings, settingsFrom: 'proposed', warnings: [] };
  }
  return { ...seen, ...(await settingsAt(deps, path, facts.tip)) };
}

/** Settings stand in the commit, never in the working files: a change cannot alter its own judge. */
async function settingsAt(
  deps: ActionDeps,
  path: string,
  tip: string,
): Promise<Pick<Inspection, 'settings' | 'settingsFrom' | 'warnings'>> {
  const files = await deps.changes.listCheckout(path, tip);
  const text = files.includes(settingsFile) ? await deps.changes.readCheckout(path, tip, settingsFile) : null;
  if (text !== null) {
    const { value, warnings } = readProjectSettings({ file: settingsFile, text }, files);
    return { settings: value, settingsFrom: 'file', warnings: formatProblems(settingsFile, warnings) };
  }
  const contents: Record<string, string> = {};
  for (const file of readFor) {
    const content = files.includes(file) ? await deps.changes.readCheckout(path, tip, file) : null;
    if (content !== null) contents[file] = content;
  }
  return { settings: propose({ files, contents }).settings, settingsFrom: 'proposed', warnings: [] };
}

/** Registers a repository. Adding it again with the same path brings its settings up to date. */
export async function addProject(
  deps: ActionDeps,
  wanted: { path: string; name: string | null; branch: string | null; settings: ProjectSettings | null },
): Promise<Project> {
  const seen = await inspectProject(deps, wanted.path);
  const [problem] = seen.problems;
  if (problem !== undefined) {
    throw new FleetError('refused', `Cannot add \`${wanted.path}\`: ${lower(problem.what)}`, {
      remedy: problem.remedy,
    });
  }
  const branch = wanted.branch ?? seen.branch;
  if (branch === null || seen.tip === null) {
    throw new FleetError('refused', `Cannot add \`${wanted.path}\`: no branch is checked out.`, {
      remedy: 'Name one: --branch main',
    });
  }
  const name = wanted.name ?? seen.name;
  const known = deps.store.projects.get(name);
  if (known !== null && known.path !== wanted.path) {
    throw new FleetError('refused', `There is a project \`${name}\` already, at \`${known.path}\`.`, {
      remedy: 'Give this one another name: --name NAME',
    });
  }
  if (wanted.settings === null && seen.settingsFrom === 'proposed') {
    throw new FleetError('refused', `\`${wanted.path}\` has no ${settingsFile} in its last commit.`, {
      remedy: 'Confirm the proposed settings, or commit that file.',
    });
  }
  const settings = wanted.settings ?? seen.settings;
  const { tip } = await deps.changes.sync({ name, path: wanted.path, branch });
  const project: Project = {
    name,
    path: wanted.path,
    branch,
    settings,
    settingsFrom: tip,
    addedAt: known?.addedAt ?? deps.clock.now(),
  };
  deps.store.tx(() => {
    if (deps.store.projects.get(name) === null) deps.store.projects.insert(project);
    else deps.store.projects.update(name, { branch, settings, settingsFrom: tip });
    deps.store.events.add('project.added', name, `${wanted.path} (${branch})`);
  });
  return project;
}

/** Forgets a repository; its host-side copy and all changes stay. */
export function removeProject(deps: ActionDeps, name: string): Done {
  const { store } = deps;
  if (store.projects.get(name) === null)
    throw new FleetError('not_found', `There is no project \`${name.slice(0, 60)}\`.`, {
      remedy: 'ralph-fleet project list',
    });
  const tasks = store.tasks.list('WHERE project = ?', name);
  const open = tasks.filter((task) => !isEnded(task.phase));
  if (open.length > 0) {
    throw new FleetError(
      'refused',
      `Cannot remove \`${name}\`: ${open.length} of its tasks are not finished (${open[0]?.id} is \`${open[0]?.phase}\`).`,
      {
        remedy: 'Cancel or finish them first: ralph-fleet tasks',
      },
    );
  }
  if (tasks.length > 0)
    throw new FleetError('refused', `Cannot remove \`${name}\`: its ended tasks still stand in the history.`, {
      remedy: 'Leave it; it costs nothing.',
    });
  store.projects.remove(name);
  return done(`\`${name}\` is forgotten; nothing in \`${name}\` itself was touched.`);
}

function projectName(path: string): string {
  const name = basename(path)
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return name.slice(0, 40) || 'project';
}

function problemsOf(path: string, facts: CheckoutFacts): Inspection['problems'] {
  const problems: Inspection['problems'] = [];
  if (!facts.isFolder) return [{ what: 'There is no such folder.', remedy: 'Name the folder of a git checkout.' }];
  if (!facts.isRepository)
    return [{ what: 'It is no git repository.', remedy: `git -C ${path} init, and commit something` }];
  if (facts.tip === null) return [{ what: 'It has no commit yet.', remedy: 'Commit something first.' }];
  if (facts.isShallow) problems.push({ what: 'It is a shallow clone.', remedy: `git -C ${path} fetch --unshallow` });
  if (facts.badNames.length > 0)
    problems.push({ what: `It holds names that are not UTF-8: ${facts.badNames.join(', ')}`, remedy: 'Rename them.' });
  if (facts.userName === null || facts.userEmail === null) {
    problems.push({
      what: 'It has no git identity for you, and your approved commits would need one.',
      remedy: 'git config --global user.name NAME; git config --global user.email ADDRESS',
    });
  }
  return problems;
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
