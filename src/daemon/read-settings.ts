import type { Changes } from '../changes/changes.ts';
import { readProjectSettings } from '../config/project/load.ts';
import type { Project, ProjectSettings } from '../domain/project.ts';

const file = '.ralph/project.yaml';

/** A project's settings as they stand in a commit; without a file of theirs there, as it was registered. */
export function createReadSettings(
  changes: Pick<Changes, 'readFile' | 'list'>,
): (project: Project, commit: string) => Promise<ProjectSettings> {
  return async (project, commit) => {
    const text = await changes.readFile(project.name, commit, file);
    if (text === null) return project.settings;
    return readProjectSettings({ file, text }, await changes.list(project.name, commit)).value;
  };
}
