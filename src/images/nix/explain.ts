import { FleetError, isFleetError } from '../../lib/errors.ts';
import type { NixSystem } from './command.ts';

export interface Build {
  system: NixSystem;
  /** Folder the image goes to. */
  folder: string;
}

interface Known {
  when: RegExp;
  code: 'storage' | 'image_failed';
  message: (build: Build, found: RegExpExecArray) => string;
  remedy: string;
}

const useDebian = 'or set `image.builder: debian` in fleet.yaml';

/** The failures people meet, by what Nix prints; the first that fits is the one. */
const known: readonly Known[] = [
  {
    when: /No space left on device|disk full/i,
    code: 'storage',
    message: ({ folder }) => `The disk became full while Nix built the image (of \`/nix/store\`, or of \`${folder}\`).`,
    remedy: 'Free some disk space (`nix store gc` removes what nothing uses), then run the same command again.',
  },
  {
    when: /experimental (?:Nix )?feature '([\w-]+)' is (?:disabled|not enabled)|unrecognised flag '--extra-experimental/,
    code: 'image_failed',
    message: () => 'Nix on this machine does not let us use flakes.',
    remedy: 'Add `experimental-features = nix-command flakes` to /etc/nix/nix.conf, restart nix-daemon, and try again.',
  },
  {
    when: /cannot connect to (?:socket|daemon)|error: opening lock file "?'?\/nix\/.*Permission denied|nix-daemon.*(?:refused|No such file)/,
    code: 'image_failed',
    message: () => 'The Nix daemon does not answer.',
    remedy: 'sudo systemctl start nix-daemon.socket   (macOS: sudo launchctl kickstart system/org.nixos.nix-daemon)',
  },
  {
    when: /hash mismatch in fixed-output derivation '([^']+)'/,
    code: 'image_failed',
    message: (_, found) => `What was downloaded for \`${found[1]}\` is not what is pinned; nothing of it was used.`,
    remedy:
      'Try again; if it stays so, somebody changed what is published, or something on the way did: ask before you go on.',
  },
  {
    when: /required system or feature not available|platform mismatch|is required to build '|Required system: '|a '([\w-]+)' with features/i,
    code: 'image_failed',
    message: ({ system }) => `This machine cannot build for \`${system}\`, and Nix knows no other that can.`,
    remedy: `On macOS see docs/SETUP-MACOS.md (a Linux VM builds); elsewhere name a builder in nix.conf, ${useDebian}.`,
  },
  {
    when: /unable to download '([^']+)'|could not resolve host:? ?'?([\w.-]*)|couldn'?t resolve host|failed to connect|cannot fetch|unable to fetch|timeout was reached/i,
    code: 'image_failed',
    message: (_, found) =>
      `Nix could not fetch ${found[1] || found[2] ? `\`${found[1] ?? found[2]}\`` : 'what the image is made of'}.`,
    remedy: `See whether it answers from here (behind a proxy the Nix daemon needs its address too), ${useDebian}.`,
  },
];

export function explain(error: unknown, build: Build): FleetError {
  const said = `${String(isFleetError(error) ? (error.details['stderr'] ?? '') : '')}\n${error instanceof Error ? error.message : ''}`;
  for (const { when, code, message, remedy } of known) {
    const found = when.exec(said);
    if (found) return new FleetError(code, message(build, found), { remedy, cause: error });
  }
  return new FleetError('image_failed', 'Nix could not build the image.', {
    remedy: `Run the same command again; if it fails the same way, the lines below say where, ${useDebian}.`,
    cause: error,
  });
}
