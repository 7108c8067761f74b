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
  /** Packages the prepared disk holds beyond the image's (Debian names). */
  packages: string[];
  /** Run beside agents and checks in every VM of the project. */
  services: Service[];
}

export interface Service {
  /** `[a-z0-9-]`, one of its kind in the project. */
  name: string;
  run: string;
  /** Ends with 0 once the service can be used; null: as soon as it is started. */
  ready: string | null;
}

/** What makes a project's prepared disk; null when its VMs start from the image as it is. */
export interface Setup {
  packages: string[];
  run: string | null;
  inputs: string[];
  timeoutSeconds: number;
}

const packagesSeconds = 1800;

export function setupOf({ setup, packages }: ProjectSettings): Setup | null {
  if (setup === null && packages.length === 0) return null;
  const timeoutSeconds = (setup?.timeoutSeconds ?? 0) + (packages.length === 0 ? 0 : packagesSeconds);
  return { packages, run: setup?.run ?? null, inputs: setup?.inputs ?? [], timeoutSeconds };
}
