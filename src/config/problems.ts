import { FleetError } from '../lib/errors.ts';

/** One thing wrong with a file a person wrote. Lines and columns start at 1; null where the file as a whole is meant. */
export interface FileProblem {
  line: number | null;
  col: number | null;
  /** `vms.memoryMiB`, `tasks[2].title`; empty for the whole. */
  path: string;
  message: string;
  /** What to do. */
  remedy: string | null;
}

/** A file that was read, and what was noticed that does not stop it. */
export interface Read<T> {
  value: T;
  warnings: FileProblem[];
}

const mostShown = 20;

/** Every problem at once, in the file's order: `fleet.yaml:4:12 vms.count: … (do this)`. */
export function formatProblems(file: string, problems: readonly FileProblem[]): string[] {
  const sorted = problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.col ?? 0) - (b.col ?? 0));
  const lines = sorted.slice(0, mostShown).map((problem) => {
    const where = problem.line === null ? file : `${file}:${problem.line}:${problem.col ?? 1}`;
    const what = problem.path === '' ? problem.message : `\`${problem.path}\` ${problem.message}`;
    return `${where} ${what}${problem.remedy === null ? '' : `: ${problem.remedy}`}`;
  });
  if (sorted.length > mostShown) lines.push(`and ${sorted.length - mostShown} more`);
  return lines;
}

/** Throws `invalid_file` when there is anything wrong. */
export function refuseProblems(file: string, problems: readonly FileProblem[]): void {
  if (problems.length === 0) return;
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const lines = formatProblems(file, problems).map((line) => `  ${line}`);
  throw new FleetError('invalid_file', [`Cannot use \`${file}\`: ${count}.`, ...lines].join('\n'), {
    remedy: `Mend ${problems.length === 1 ? 'it' : 'them'} and run the same command again.`,
    details: { file, problems },
  });
}

/** `['tasks', 2, 'title']` -> `tasks[2].title`. Keys come from the file: cut and quoted where odd. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const key = String(part);
    const shown = /^[\w.-]{1,60}$/.test(key) ? key : JSON.stringify(key.slice(0, 60));
    return text === '' ? shown : `${text}.${shown}`;
  }, '');
}
