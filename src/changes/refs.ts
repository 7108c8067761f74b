import { FleetError } from '../lib/errors.ts';
import type { Git } from './git.ts';

const none = '0'.repeat(40);

export async function readRef(git: Git, ref: string): Promise<string | null> {
  const found = await git.run(['rev-parse', '--verify', '--quiet', `${ref}^{commit}`], { okExitCodes: [0, 1, 128] });
  return found.exitCode === 0 ? found.stdout.trim() : null;
}

/** Moves a ref by compare-and-swap; `from` null = it must not be there yet. */
export async function moveRef(git: Git, ref: string, to: string, from: string | null): Promise<void> {
  try {
    await git(['update-ref', ref, to, from ?? none]);
  } catch (cause) {
    const now = await readRef(git, ref);
    if (now === to) return;
    throw new FleetError(
      'stale_commit',
      `\`${ref}\` was to move from ${from ?? 'nothing'} to ${to}; it is at ${now}.`,
      {
        cause,
      },
    );
  }
}

export function checkCommit(commit: string): string {
  if (/^[0-9a-f]{40}$/.test(commit)) return commit;
  throw new FleetError('usage', `\`${commit.slice(0, 80)}\` is no commit id (40 hexadecimal digits).`);
}

export async function refuseMissing(git: Git, commit: string, project: string): Promise<string> {
  if ((await readRef(git, checkCommit(commit))) === commit) return commit;
  throw new FleetError('not_found', `Commit \`${commit}\` is not in the repository of project \`${project}\`.`);
}
