import { z } from 'zod';
import { vmName } from '../../domain/vm.ts';
import { FleetError, isFleetError } from '../../lib/errors.ts';
import type { Virsh } from './virsh.ts';

/**
 * The guest's agent (qemu-ga) behind its virtio-serial port: the channel trusted for readiness and the host key, since no one
 * but libvirt and the guest's root holds its ends. What it answers is still a guest's word: bounded, and read by a schema.
 */
export interface GuestAgent {
  answers(id: string): Promise<boolean>;
  hostKey(id: string): Promise<string | null>;
  setTime(id: string, ms: number): Promise<void>;
}

const hostKeyFile = '/etc/ssh/ssh_host_ed25519_key.pub';
const maxKeyBytes = 1024;
/** How long libvirt waits for the guest, and how long we wait for virsh. */
const agentSeconds = 5;
const virshMs = 20_000;
const clockToleranceMs = 10_000;
const maxReplyBytes = 64 * 1024;

const handle = z.object({ return: z.int().nonnegative() });
const content = z.object({ return: z.object({ 'buf-b64': z.base64().max(4 * maxKeyBytes) }) });
/** Nanoseconds; the lost last digits do not matter. */
const clockTime = z.object({ return: z.number() });
const done = z.object({ return: z.object({}) });

export function createGuestAgent(virsh: Virsh): GuestAgent {
  async function ask<T>(id: string, command: string, reply: z.ZodType<T>): Promise<T> {
    const argv = ['qemu-agent-command', vmName(id), '--timeout', String(agentSeconds), command];
    const printed = await virsh(argv, { timeoutMs: virshMs, maxBytes: maxReplyBytes }).catch((cause: unknown) => {
      if (isFleetError(cause, 'too_large')) throw untrusted(id, command, cause);
      throw cause;
    });
    try {
      return reply.parse(JSON.parse(printed));
    } catch (cause) {
      throw untrusted(id, command, cause);
    }
  }

  return {
    async answers(id) {
      return (await unlessRefused(ask(id, '{"execute":"guest-ping"}', done))) !== null;
    },

    async hostKey(id) {
      const open = { execute: 'guest-file-open', arguments: { path: hostKeyFile, mode: 'r' } };
      const opened = await unlessRefused(ask(id, JSON.stringify(open), handle));
      if (opened === null) return null;
      const args = { handle: opened.return };
      try {
        const read = { execute: 'guest-file-read', arguments: { ...args, count: maxKeyBytes } };
        const got = await unlessRefused(ask(id, JSON.stringify(read), content));
        return got === null ? null : readHostKey(id, Buffer.from(got.return['buf-b64'], 'base64').toString('latin1'));
      } finally {
        const close = { execute: 'guest-file-close', arguments: args };
        await unlessRefused(ask(id, JSON.stringify(close), done)).catch(() => null); // its handle is the guest's own loss
      }
    },

    async setTime(id, ms) {
      // Nanoseconds since 1970 pass 2^53, so the number is written as text.
      const command = `{"execute":"guest-set-time","arguments":{"time":${BigInt(Math.round(ms)) * 1_000_000n}}}`;
      if ((await unlessRefused(ask(id, command, done))) !== null) return;
      // qemu-ga sets the system's clock first and then fails where there is no hardware clock to write it to.
      const now = await unlessRefused(ask(id, '{"execute":"guest-get-time"}', clockTime));
      if (now !== null && Math.abs(now.return / 1e6 - ms) < clockToleranceMs) return;
      throw new FleetError('guest_unreachable', `The guest agent of VM \`${id}\` did not set the clock.`);
    },
  };
}

/** Null when virsh refused: the VM is off, its agent is not there (yet), or has no such file. Unavailable stays an error. */
async function unlessRefused<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (isFleetError(error, 'command_failed')) return null;
    throw error;
  }
}

/** One line, `ssh-ed25519 <51 bytes in base64> [comment]` (RFC 8709); null while the file is empty. */
export function readHostKey(id: string, text: string): string | null {
  if (text.trim() === '') return null;
  const found = /^ssh-ed25519 ([A-Za-z0-9+/]{68})(?: [\x20-\x7e]*)?\n?$/.exec(text);
  const blob = Buffer.from(found?.[1] ?? '', 'base64');
  if (found?.[1] && blob.subarray(0, 19).toString('hex') === '0000000b7373682d6564323535313900000020') {
    return `ssh-ed25519 ${found[1]}`;
  }
  throw new FleetError(
    'guest_untrusted',
    `VM \`${id}\` gave what is no ssh host key: ${JSON.stringify(text.slice(0, 80))}.`,
    {
      remedy: 'Remove the VM; a new one is made.',
    },
  );
}

function untrusted(id: string, command: string, cause: unknown): FleetError {
  const what = command.slice(0, 60);
  return new FleetError(
    'guest_untrusted',
    `The guest agent of VM \`${id}\` answered \`${what}\` with what cannot be read.`,
    {
      cause,
    },
  );
}
