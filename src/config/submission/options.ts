export interface SubmissionOptions {
  /** Whether the project's own checks judge every task; then a task needs none of its own. */
  projectHasChecks: boolean;
  /** The branch of the project it is for, where that is known. */
  branch?: string;
}

export const noChecksRemedy = {
  json: 'add acceptance_criteria with a `backpressure` command, or checks in .ralph/project.yaml',
  text: 'add a ```checks block with a command a line, or checks in .ralph/project.yaml',
};
