import type { NotifyChannel } from '../domain/fleet.ts';
import type { InboxItem } from '../domain/inbox-item.ts';
import { FleetError, formatError } from '../lib/errors.ts';
import type { Exec } from '../lib/exec.ts';
import type { Log } from '../lib/log.ts';

export interface NotifyDeps {
  exec: Exec;
  log: Log;
  fleet: () => string;
  channels: () => readonly NotifyChannel[];
  env: Record<string, string | undefined>;
  fetch: typeof fetch;
  /** Hears how each ping on each channel went. */
  onPing: (channel: NotifyChannel['kind'], result: 'sent' | 'failed') => void;
}

const deadlineMs = 10_000;
const maxTextChars = 140;

/**
 * Tells a person on every channel of fleet.yaml. One channel that fails does not keep the others; only when all fail is the
 * ping tried again later. The terminal's ping is the event itself, which every open `up`, `logs` and `status --watch` shows.
 * What was told is not told again by the same process, though a full disk did not let it be noted down.
 */
export function createNotifier(deps: NotifyDeps): (item: InboxItem) => Promise<void> {
  const told = new Set<string>();
  return async (item) => {
    if (told.has(item.id)) return;
    const channels = deps.channels();
    const results = await Promise.allSettled(channels.map((channel) => send(deps, channel, item)));
    for (const [at, { status }] of results.entries()) {
      const kind = channels[at]?.kind;
      if (kind !== undefined) deps.onPing(kind, status === 'fulfilled' ? 'sent' : 'failed');
    }
    const failed = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    for (const error of failed) deps.log.warn({ err: formatError(error), item: item.id }, 'a ping could not be sent');
    if (channels.length > 0 && failed.length === channels.length) {
      throw new FleetError('command_failed', 'No channel took the ping.', { cause: failed[0] });
    }
    told.add(item.id);
  };
}

async function send(deps: NotifyDeps, channel: NotifyChannel, item: InboxItem): Promise<void> {
  if (channel.kind === 'desktop') await desktop(deps, item);
  else if (channel.kind === 'webhook') await webhook(deps, channel.url, item);
}

/** notify-send on Linux, osascript on macOS; argv only, so that a title is never read as a command. */
async function desktop({ exec, env, fleet }: NotifyDeps, item: InboxItem): Promise<void> {
  const title = `${fleet()}: ${item.kind}`;
  const body = cut(`${item.title} (${item.why})\n${item.link.cli}`);
  if (process.platform === 'darwin') {
    const script = 'on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run';
    await exec(['osascript', '-e', script, title, body], { timeoutMs: deadlineMs });
    return;
  }
  if (!env['DBUS_SESSION_BUS_ADDRESS'] && !env['DISPLAY'] && !env['WAYLAND_DISPLAY']) return; // no desktop to tell
  const kept = ['PATH', 'HOME', 'DISPLAY', 'WAYLAND_DISPLAY', 'DBUS_SESSION_BUS_ADDRESS', 'XDG_RUNTIME_DIR'];
  const childEnv = Object.fromEntries(kept.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
  await exec(['notify-send', '--app-name=ralph-fleet', '--', title, escapeMarkup(body)], {
    timeoutMs: deadlineMs,
    env: childEnv,
  });
}

async function webhook(deps: NotifyDeps, url: string, item: InboxItem): Promise<void> {
  const answer = await deps.fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      fleet: deps.fleet(),
      kind: item.kind,
      title: item.title,
      why: cut(item.why),
      since: item.since,
      command: item.link.cli,
      id: item.id,
    }),
    signal: AbortSignal.timeout(deadlineMs),
    redirect: 'error',
  });
  if (!answer.ok) throw new FleetError('command_failed', `The webhook answered ${answer.status}.`);
}

function cut(text: string): string {
  return text.length > maxTextChars ? `${text.slice(0, maxTextChars - 1)}…` : text;
}

function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
