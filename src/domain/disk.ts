/**
 * A disk VMs start from: an `image` (any project) or a `prepared` one (image + a project's setup). `key` is the hash of its
 * inputs, so that an unchanged input is a cache hit. wanted -> building -> ready | failed; `leaving` once nobody needs it.
 */
export interface Disk {
  key: string;
  kind: 'image' | 'prepared';
  project: string | null;
  phase: 'wanted' | 'building' | 'ready' | 'failed' | 'leaving';
  /** Absolute path of the read-only QCOW2 file; null until ready. */
  path: string | null;
  /** How VMs on it boot; a prepared disk boots as its image does. */
  boot: BootFiles | null;
  /** For `prepared`: the image's key. */
  backing: string | null;
  /** For `prepared`: the base commit the setup runs on, and what is done there. */
  commit: string | null;
  recipe: DiskRecipe | null;
  /** What it is doing now, for progress lines. */
  progress: string | null;
  failure: string | null;
  attempts: number;
  /** How often in a row it came to nothing to save a template of it, or to fork from one. */
  forkFailures: number;
  forkFailedAt: number | null;
  since: number;
}

/** How a prepared disk is made from its image. */
export interface DiskRecipe {
  /** Beyond the image's. */
  packages: string[];
  /** null: the packages are all. */
  run: string | null;
  /** Paths whose content decides whether it is still the same disk, and the hash over them. */
  inputs: string[];
  inputsHash: string;
  timeoutSeconds: number;
  /** Package registries it may read meanwhile. */
  registries: string[];
}

/** Absolute paths on the host of kernel and initial ramdisk, and the kernel's command line. */
export interface BootFiles {
  kernel: string;
  initrd: string;
  cmdline: string;
}
