import { FleetError, isFleetError } from '../../lib/errors.ts';
import type { Context } from '../frame/command.ts';

/** The session people attach to: one window per Ralph and one with the status. On the user's own tmux server, with their own settings. */
export const sessionName = 'ralph-fleet';
const target = `=${sessionName}:`;
const statusWindow = 'fleet';

/** Makes the session and every missing window. Returns false when there is no tmux. Windows of Ralphs that are gone are closed. */
export async function keepWindows(context: Context, ralphs: readonly string[]): Promise<boolean> {
  const tmux = await createTmux(context);
  const wanted = ralphs.filter((name) => /^[a-z0-9-]{1,60}$/.test(name));
  let open: Set<string>;
  try {
    open = await listWindows(tmux);
    if (open.size === 0) {
      const fleet = command(context, ['status', '--watch', '--keep-windows']);
      const make = ['new-session', '-d', '-s', sessionName, '-n', statusWindow, '-x', '120', '-y', '36', ...fleet];
      await tmux([...make, ...keepOpen(statusWindow)]);
      open = new Set([statusWindow]);
    }
  } catch (error) {
    if (isFleetError(error, 'command_missing')) return false;
    throw error;
  }
  for (const name of wanted) {
    if (!open.has(name)) await addWindow(context, tmux, name, ['attach', '--pane', name]);
  }
  for (const name of open) {
    const isOurs = /^(implementer|reviewer)-\d+!?$/.test(name);
    if (isOurs && !wanted.includes(name.replace('!', ''))) await closeWindow(tmux, name);
  }
  return true;
}

/** A second window of a Ralph, where what is typed reaches it. Its name ends with `!`. */
export async function openWriteWindow(context: Context, ralph: string): Promise<string> {
  const tmux = await createTmux(context);
  const name = `${ralph}!`;
  if (!(await listWindows(tmux)).has(name))
    await addWindow(context, tmux, name, ['attach', '--pane', ralph, '--write']);
  return name;
}

/** Shows the session in this terminal; inside tmux it switches to it. */
export async function showSession(context: Context, window: string | null): Promise<number> {
  const tmux = await createTmux(context);
  if (window !== null) await tmux(['select-window', '-t', `${target}=${window}`]);
  if (context.env['TMUX']) {
    await tmux(['switch-client', '-t', target]);
    return 0;
  }
  const { runInTerminal } = await import('../../lib/exec.ts');
  return runInTerminal(['tmux', 'attach-session', '-t', target], clientEnvironment(context));
}

/** Ends the session with its windows. Left alone when this very command runs inside tmux: it could be one of them. */
export async function closeSession(context: Context): Promise<void> {
  if (context.env['TMUX']) return;
  const tmux = await createTmux(context);
  try {
    await tmux(['kill-session', '-t', `=${sessionName}`]);
  } catch (error) {
    if (!isFleetError(error, 'command_failed') && !isFleetError(error, 'command_missing')) throw error; // there is none
  }
}

type Tmux = (args: readonly string[]) => Promise<string>;

async function createTmux(context: Context): Promise<Tmux> {
  const { createExec } = await import('../../lib/exec.ts');
  const exec = createExec();
  return async (args) => {
    const { stdout } = await exec(['tmux', ...args], { env: clientEnvironment(context), timeoutMs: 10_000 });
    return stdout;
  };
}

async function listWindows(tmux: Tmux): Promise<Set<string>> {
  try {
    const text = await tmux(['list-windows', '-t', target, '-F', '#{window_name}']);
    return new Set(text.split('\n').filter((line) => line !== ''));
  } catch (error) {
    if (isFleetError(error, 'command_failed')) return new Set(); // no server, or no such session
    throw error;
  }
}

/** `-S`: where another command has made it meanwhile, that one stays. */
async function addWindow(context: Context, tmux: Tmux, name: string, args: readonly string[]): Promise<void> {
  await tmux(['new-window', '-d', '-S', '-t', target, '-n', name, ...command(context, args), ...keepOpen(name)]);
}

async function closeWindow(tmux: Tmux, name: string): Promise<void> {
  try {
    await tmux(['kill-window', '-t', `${target}=${name}`]);
  } catch (error) {
    if (!isFleetError(error, 'command_failed')) throw error; // another command was quicker
  }
}

/** In the same breath as the window is made: what runs in it may end at once. */
function keepOpen(name: string): string[] {
  const set = (option: string, value: string) => [';', 'set-option', '-w', '-t', `${target}=${name}`, option, value];
  return [...set('remain-on-exit', 'on'), ...set('automatic-rename', 'off')];
}

/** This program again, with the same places: a tmux server may have been started in another environment. */
function command(context: Context, args: readonly string[]): string[] {
  const kept = Object.entries(context.env).filter(
    ([name, value]) =>
      value !== undefined &&
      (name.startsWith('XDG_') || name.startsWith('RALPH_FLEET_') || name === 'HOME' || name === 'PATH'),
  );
  return [...kept.flatMap(([name, value]) => ['-e', `${name}=${value}`]), '--', ...context.self, ...args];
}

/** A tmux server started here hands its environment to every window ever after: credentials have no business there. */
function clientEnvironment(context: Context): Record<string, string> {
  return Object.fromEntries(
    Object.entries(context.env).filter(
      (pair): pair is [string, string] =>
        pair[1] !== undefined && !/(KEY|TOKEN|SECRET|PASSWORD)(_FILE)?$/i.test(pair[0]),
    ),
  );
}

export function noTmux(): FleetError {
  return new FleetError('command_missing', 'Cannot open the tmux session: there is no `tmux` on this machine.', {
    remedy: 'ralph-fleet doctor   or, without tmux:  ralph-fleet logs -f',
  });
}
