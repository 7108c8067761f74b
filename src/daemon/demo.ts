import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActionDeps } from '../actions/deps.ts';
import { addProject } from '../actions/project.ts';
import { submit } from '../actions/submit.ts';
import { createDemoProject } from '../changes/demo-project.ts';
import { readSubmission } from '../config/submission/read.ts';
import { isEnded } from '../domain/task.ts';
import type { Exec } from '../lib/exec.ts';
import type { Paths } from '../lib/paths.ts';
import { resourcePath } from '../lib/resources.ts';

const demoName = 'demo';

/**
 * The bundled sample project with its one task. What is there is reused: only when its task has ended is there a new project
 * (`demo-2`, …) with a new one.
 */
export async function startDemo(deps: ActionDeps & { exec: Exec; paths: Paths }): Promise<void> {
  const { store, paths, exec } = deps;
  const demos = store.projects.list().filter((project) => /^demo(-\d+)?$/.test(project.name));
  const tasks = demos.flatMap((project) => store.tasks.list('WHERE project = ?', project.name));
  if (tasks.some((task) => !isEnded(task.phase))) return;
  const empty = demos.find((project) => !tasks.some((task) => task.project === project.name));
  const name = empty?.name ?? (demos.length === 0 ? demoName : `${demoName}-${demos.length + 1}`);
  const path = join(paths.state, 'demo', name);
  await createDemoProject({ exec, source: resourcePath('demo/project') }, path);
  await addProject(deps, { path, name, branch: 'main', settings: null });
  const file = resourcePath('demo/ralph.json');
  const source = { file, text: await readFile(file, 'utf8') };
  const drafts = readSubmission(source, { projectHasChecks: true }).value;
  const scenario: unknown = JSON.parse(await readFile(resourcePath('demo/scenario.json'), 'utf8'));
  submit(deps, { project: name, drafts, scenario });
}
