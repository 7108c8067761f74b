import type { Check } from './check.ts';

/** A registered repository of the user. The settings are those of `.ralph/project.yaml` at the base commit. */
export interface Project {
  name: string;
  /** The user's own checkout; never written to before an approval. */
  path: string;
  /** The branch changes are made from and integrated into. */
  branch: string;
  settings: ProjectSettings;
  /** The base commit the settings were read from. */
  settingsFrom: string;
  addedAt: number;
}

export interface ProjectSettings {
  setup: { run: string; inputs: string[]; timeoutSeconds: number } | null;
  /** Glob patterns of files that judge a change (tests, runner configuration, CI). */
  protected: string[];
  checks: Check[];
  registries: string[];
}
