import { type JobSpec, outputBytes } from './guest.ts';
import { quoteArgument, quoteCommand } from './shell-quote.ts';

const environmentName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * A job as the guest's shell reads it (scripts/ralph-job, scripts/ralph-iterate): its words, and functions that do what it asks for.
 * Made here, so that the guest needs to start no program to take it apart: under emulation each one is felt. The last line says
 * that it came whole.
 */
export function jobFile(job: JobSpec): string {
  const title = job.title.replaceAll(/[^A-Za-z0-9 _-]/g, '').slice(0, 40) || job.id;
  const exports = Object.entries(job.env).filter(([name]) => environmentName.test(name));
  return [
    `user=${quoteArgument(job.user)} title=${quoteArgument(title)} kind=${job.kind}`,
    `cwd=${quoteArgument(job.cwd)} max_bytes=${Math.round(job.maxStreamBytes)}`,
    `output_bytes=${outputBytes(job.checks.length)}`,
    `pane_filter=${quoteArgument(job.paneFilter ?? '')}`,
    shellFunction(
      'job_env',
      exports.map(([name, value]) => `export ${name}=${quoteArgument(value)}`),
    ),
    shellFunction(
      'job_files',
      job.files.map(({ path, mode, content }) => `put ${quoteCommand([path, mode.toString(8), content])}`),
    ),
    shellFunction('job_run', commands(job)),
    'whole=yes',
    '',
  ].join('\n');
}

function commands(job: JobSpec): string[] {
  if (job.kind !== 'checks') return [`run_one ${Math.round(job.timeoutSeconds)} ${quoteCommand(job.argv)}`];
  return job.checks.map(
    ({ id, run, timeoutSeconds }) =>
      `check ${quoteCommand([JSON.stringify(id), String(Math.round(timeoutSeconds)), run])}`,
  );
}

function shellFunction(name: string, lines: readonly string[]): string {
  return `${name}() {\n${[...lines, ':'].join('\n')}\n}`;
}
