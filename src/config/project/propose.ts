import type { ProjectSettings } from '../../domain/project.ts';
import { alwaysProtected, type Ecosystem, ecosystems, type Repository } from './ecosystems.ts';

export interface Proposal {
  settings: ProjectSettings;
  /** Why, one line each, for the person who confirms it. */
  reasons: string[];
}

/** Settings for a repository without .ralph/project.yaml, from what it shows. A proposal: a person confirms it. */
export function propose(repository: Repository): Proposal {
  const found = shown(repository);
  const reasons: string[] = [];
  const settings: ProjectSettings = {
    setup: null,
    protected: defaultProtected(repository.files),
    checks: [],
    registries: [...new Set(found.flatMap((ecosystem) => ecosystem.registries))],
    packages: [],
    services: [],
  };
  for (const ecosystem of found) {
    const setup = settings.setup ? undefined : ecosystem.setups.find(({ when }) => repository.files.includes(when));
    if (setup) {
      settings.setup = { run: setup.run, inputs: [...setup.inputs], timeoutSeconds: 900 };
      reasons.push(`setup \`${setup.run}\`: there is ${setup.when}`);
    }
    for (const check of ecosystem.checks(repository)) {
      if (settings.checks.some(({ id }) => id === check.id)) continue;
      settings.checks.push({ id: check.id, run: check.run, description: check.id, timeoutSeconds: 600 });
      reasons.push(`check \`${check.run}\`: ${check.why}`);
    }
  }
  if (settings.checks.length === 0) reasons.push('no checks: nothing in the repository says how it is tested');
  return { settings, reasons };
}

/** Files that judge a change where the project does not name them itself. */
export function defaultProtected(files: readonly string[]): string[] {
  const found = shown({ files, contents: {} });
  return [...new Set([...found.flatMap((ecosystem) => ecosystem.protected), ...alwaysProtected])];
}

function shown({ files }: Repository): Ecosystem[] {
  const all = new Set(files);
  return ecosystems.filter((ecosystem) => ecosystem.shownBy.some((file) => all.has(file)));
}
