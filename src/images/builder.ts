import type { BootFiles } from '../domain/disk.ts';

/**
 * An image builder makes the disk every VM starts from. The same guest contract from each (docs/formats.md); cached by the hash
 * of its inputs; no identity, host key, random seed or secret in it.
 */
export interface ImageBuilder {
  readonly name: 'nix' | 'debian';
  /** Whether it can build here; `problems` with the command that mends each. Never throws. */
  probe(): Promise<{ available: boolean; problems: { what: string; remedy: string }[] }>;
  /** Hash of everything that goes into the image, 16 hexadecimal digits. Quick; builds nothing. */
  key(): Promise<string>;
  /** Builds (or finds) the image; returns the read-only QCOW2's path. Safe to cut off and run again; two at once do not clash. */
  build(progress: (what: string) => void, signal?: AbortSignal): Promise<BuiltImage>;
}

export interface BuiltImage {
  key: string;
  path: string;
  boot: BootFiles | null;
  /** Contents of /etc/ralph/guest.json. */
  contract: GuestContract;
}

export interface GuestContract {
  contract: number;
  image: string;
  builder: string;
  tools: Record<string, string>;
}
