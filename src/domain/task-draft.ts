import type { Check } from './check.ts';

/** A task as a file or a person asks for it, before it has an id. `submit` turns drafts into tasks. */
export interface TaskDraft {
  /** Its name within the same submission, for `dependsOn`; null when nothing can depend on it. */
  ref: string | null;
  title: string;
  description: string;
  /** The task's own; the project's checks run beside them. */
  checks: Check[];
  /** Refs of the same submission, or ids of tasks that exist (`T12`). */
  dependsOn: string[];
  contextFiles: string[];
  priority: TaskPriority;
  agent: string | null;
  model: string | null;
  limits: {
    iterations: number | null;
    maxTokens: number | null;
    maxUsd: number | null;
    maxCalls: number | null;
    maxDurationMs: number | null;
  };
}

export const taskPriorities = ['low', 'medium', 'high', 'critical'] as const;
export type TaskPriority = (typeof taskPriorities)[number];
