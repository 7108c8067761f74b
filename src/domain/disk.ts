/**
 * A disk VMs start from: an `image` (any project) or a `prepared` one (image + a project's setup). `key` is the hash of its
 * inputs, so that an unchanged input is a cache hit. wanted -> building -> ready | failed.
 */
export interface Disk {
  key: string;
  kind: 'image' | 'prepared';
  project: string | null;
  phase: 'wanted' | 'building' | 'ready' | 'failed';
  /** Absolute path of the read-only QCOW2 file; null until ready. */
  path: string | null;
  /** How VMs on it boot; a prepared disk boots as its image does. */
  boot: BootFiles | null;
  /** For `prepared`: the image's key. */
  backing: string | null;
  /** For `prepared`: the base commit the setup runs on. */
  commit: string | null;
  /** What it is doing now, for progress lines. */
  progress: string | null;
  failure: string | null;
  attempts: number;
  /** How often in a row it came to nothing to save a template of it, or to fork from one. */
  forkFailures: number;
  forkFailedAt: number | null;
  since: number;
}

/** Absolute paths on the host of kernel and initial ramdisk, and the kernel's command line. */
export interface BootFiles {
  kernel: string;
  initrd: string;
  cmdline: string;
}
