/** Every place in a guest that the host names; the scripts' own list is `scripts/ralph-places`. */
export const scriptsFolder = '/usr/local/bin';
export const jobsFolder = '/var/lib/ralph/jobs';
export const tmuxFolder = '/run/ralph-tmux';
export const tmuxSession = 'ralph';

export function jobFolder(id: string): string {
  return `${jobsFolder}/${id}`;
}

export function tmuxSocket(user: string): string {
  return `${tmuxFolder}/${user}.tmux`;
}

export function homeFolder(user: string): string {
  return `/home/${user}`;
}
