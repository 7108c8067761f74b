import { type ParsedDocument, problemAt } from '../parsed.ts';
import { type FileProblem, formatPath } from '../problems.ts';
import type { SubmissionOptions } from './options.ts';
import type { RalphFile } from './schema.ts';

/** What a ralph.json asks for and does not get yet, each with what happens instead; a person who asks is told. */
export function withoutEffect(parsed: ParsedDocument, file: RalphFile, options: SubmissionOptions): FileProblem[] {
  const { repository, git, execution } = file;
  const notes: { path: string[]; isAsked: boolean; instead: string }[] = [
    {
      path: ['repository', 'url'],
      isAsked: isThere(repository?.url),
      instead: 'the task is for the project it is handed in to',
    },
    {
      path: ['repository', 'branch'],
      isAsked: isThere(repository?.branch) && repository?.branch !== options.branch,
      instead: `changes go onto the project’s branch${options.branch === undefined ? '' : `, \`${options.branch}\``}`,
    },
    {
      path: ['git', 'featureBranch'],
      isAsked: isThere(git?.featureBranch),
      instead: 'the change is the branch `ralph/<task>` of the host’s copy',
    },
    {
      path: ['git', 'createPr'],
      isAsked: git?.createPr === true,
      instead: 'no pull request is made; a change you approve goes onto the project’s branch',
    },
    {
      path: ['git', 'prTitle'],
      isAsked: isThere(git?.prTitle) && (isThere(file.title) || file.tasks !== undefined),
      instead: 'the commit has the task’s title',
    },
    { path: ['git', 'prBody'], isAsked: isThere(git?.prBody), instead: 'the commit has the task’s description' },
    {
      path: ['execution', 'maxConcurrent'],
      isAsked: execution?.maxConcurrent !== undefined,
      instead: '`roles.implementer` in fleet.yaml says how many work at once',
    },
    { path: ['execution', 'race'], isAsked: (execution?.race ?? 1) > 1, instead: 'one Ralph works on each task' },
    ...besideTasks(file),
  ];
  return notes
    .filter(({ isAsked }) => isAsked)
    .map(({ path, instead }) => {
      return problemAt(parsed, path, formatPath(path), { message: 'has no effect yet', remedy: instead, key: true });
    });
}

/** Of a file with several tasks each brings its own. */
function besideTasks(file: RalphFile) {
  const isList = file.tasks !== undefined;
  const instead = 'beside `tasks` it belongs into each of them';
  return [
    { path: ['title'], isAsked: isList && isThere(file.title), instead },
    { path: ['description'], isAsked: isList && isThere(file.description), instead },
    { path: ['acceptance_criteria'], isAsked: isList && file.acceptance_criteria.length > 0, instead },
    { path: ['context_files'], isAsked: isList && file.context_files.length > 0, instead },
  ];
}

function isThere(text: string | undefined): boolean {
  return text !== undefined && text !== '';
}
