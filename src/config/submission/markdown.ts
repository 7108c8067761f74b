import type { Check } from '../../domain/check.ts';
import type { TaskDraft } from '../../domain/task-draft.ts';
import { refuseSize, type Source } from '../document.ts';
import { refuseProblems } from '../problems.ts';
import { noChecksRemedy, type SubmissionOptions } from './options.ts';

const maxChecks = 100;

/**
 * A spec in Markdown, or plain words -> one draft. Title: the first heading, else the first line. Checks: commands in a fenced
 * ```checks block (one a line, `id: command` or just the command), or list items that are a command: - [ ] `npm test`
 */
export function readSpec(source: Source, options: SubmissionOptions): TaskDraft {
  refuseSize(source);
  const lines = source.text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const checks = checksIn(lines);
  const title = titleOf(lines);
  refuseProblems(source.file, [
    ...(checks.length > maxChecks
      ? [whole(`has ${checks.length} checks; at most ${maxChecks} can be run`, 'put several into one script')]
      : []),
    ...(source.text.includes('\0') ? [whole('holds a zero byte', 'take it out')] : []),
    ...(title === '' ? [whole('is empty', 'say what is to be done')] : []),
    ...(checks.length === 0 && !options.projectHasChecks && title !== ''
      ? [
          whole(
            'has no checks, and the project has none of its own, so nothing could tell when it is done',
            noChecksRemedy.text,
          ),
        ]
      : []),
  ]);
  return {
    ref: null,
    title,
    description: lines.join('\n').trim(),
    checks,
    dependsOn: [],
    contextFiles: [],
    priority: 'medium',
    agent: null,
    model: null,
    limits: { iterations: null, maxTokens: null, maxUsd: null, maxCalls: null, maxDurationMs: null },
  };
}

function whole(message: string, remedy: string) {
  return { line: null, col: null, path: '', message, remedy };
}

function titleOf(lines: readonly string[]): string {
  const heading = lines.map((line) => /^#{1,6}\s+(.*?)\s*#*\s*$/.exec(line)?.[1]).find((text) => text);
  const first = lines.find((line) => line.trim() !== '')?.trim() ?? '';
  const title = heading ?? first;
  return title.length > 120 ? `${title.slice(0, 119)}…` : title;
}

function checksIn(lines: readonly string[]): Check[] {
  const commands: { id: string | null; run: string }[] = [];
  let fence: string | null = null;
  let isChecks = false;
  for (const line of lines) {
    const mark = /^\s{0,3}(`{3,}|~{3,})\s*(\S*)/.exec(line);
    if (mark && fence === null) {
      fence = mark[1] ?? '';
      isChecks = mark[2] === 'checks';
    } else if (mark && fence !== null && mark[1]?.startsWith(fence) && mark[2] === '') {
      fence = null;
    } else if (fence !== null) {
      if (isChecks && line.trim() !== '' && !line.trim().startsWith('#')) commands.push(commandIn(line.trim()));
    } else {
      const item = /^\s*[-*+]\s+\[[ xX]\]\s+`([^`]+)`/.exec(line);
      if (item?.[1]) commands.push({ id: null, run: item[1].trim() });
    }
  }
  return named(commands);
}

function commandIn(line: string): { id: string | null; run: string } {
  const given = /^([a-z0-9-]{1,60}):\s+(.+)$/.exec(line);
  return given?.[1] && given[2] ? { id: given[1], run: given[2] } : { id: null, run: line };
}

/** Ids from the command's own words, made unique. */
function named(commands: readonly { id: string | null; run: string }[]): Check[] {
  const taken = new Set<string>();
  return commands.map(({ id, run }) => {
    const words = run
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 40);
    const wanted = id ?? (words.replace(/-$/, '') || 'check');
    let unique = wanted;
    for (let n = 2; taken.has(unique); n++) unique = `${wanted}-${n}`;
    taken.add(unique);
    return { id: unique, description: run, run, timeoutSeconds: 600 };
  });
}
