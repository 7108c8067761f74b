import type { TaskDraft } from '../../domain/task-draft.ts';
import type { Source } from '../document.ts';
import type { Read } from '../problems.ts';
import { blankComments } from './json-comments.ts';
import { readSpec } from './markdown.ts';
import type { SubmissionOptions } from './options.ts';
import { readRalphJson } from './ralph-json.ts';

/** A ralph.json (by name, or by its first brace), a spec in Markdown, or plain words. */
export function readSubmission(source: Source, options: SubmissionOptions): Read<TaskDraft[]> {
  const isJson =
    /\.jsonc?$/.test(source.file) || blankComments(source.text.slice(0, 20_000)).trimStart().startsWith('{');
  return isJson ? readRalphJson(source, options) : { value: [readSpec(source, options)], warnings: [] };
}
