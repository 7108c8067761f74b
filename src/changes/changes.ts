/**
 * The host's repositories: one per project, without working files, hooks or user configuration, one writer. What comes from a
 * guest is hostile: it is read from one bundle into quarantine, checked, and only then taken. The user's own checkout is only
 * read until an approval, and then only its branch is moved.
 *
 * All commits are 40 hexadecimal digits. Every call is idempotent and may be cut off at any point and made again.
 */
export interface Changes {
  /** Looks at a checkout without changing anything: branch, tip, whether it is a repository, dirty, shallow, has odd names. */
  inspect(path: string): Promise<CheckoutFacts>;
  /** Paths of a commit in the user's checkout, and the content of one of them (null when missing or larger than 16 MiB). */
  listCheckout(path: string, commit: string): Promise<string[]>;
  readCheckout(path: string, commit: string, file: string): Promise<string | null>;
  /** Where the user's checkout can fetch every task's live change from, as a remote of its own. Read only. */
  remoteUrl(project: string): string;
  /** Makes the host repository if missing and fetches the branch's tip into it. Returns the tip. */
  sync(project: ProjectRef): Promise<{ tip: string }>;
  /** The content of a file at a commit, or null. */
  readFile(project: string, commit: string, path: string): Promise<string | null>;
  /** All paths of a commit. */
  list(project: string, commit: string): Promise<string[]>;
  /** Hash over the named paths at a commit (key of a prepared disk). */
  hashPaths(project: string, commit: string, paths: readonly string[]): Promise<string>;
  /** Makes the task's one jj change on `base` if it has none. */
  startChange(project: string, task: string, base: string, title: string): Promise<ChangeRef>;
  /** A git bundle that seeds a workspace at `commit`; returns the file's path on the host (cached by commit). */
  bundle(project: string, commit: string): Promise<string>;
  /** A git bundle with what `commit` has beyond `base`, as `adopt` takes it; null when that is nothing. */
  exportChange(project: string, base: string, commit: string): Promise<Uint8Array | null>;
  /**
   * Makes a host repository `project` out of another repository on this host, which must hold `base`, and a change on it: a file of
   * `exportChange`, which is hostile, or null where that repository has the commit itself.
   */
  adopt(project: string, repository: string, adopted: AdoptedChange): Promise<void>;
  /** Removes a host repository that `adopt` made (`rp-<8 hex>`); no other one. */
  discard(project: string): Promise<void>;
  /**
   * Takes a bundle that a guest made (`ralph-save`): quarantine, size limit, object checks, then one commit with that tree, the
   * task's base as parent and the task's change id; the agent's own commits are kept beside it. Unchanged tree: same head.
   */
  importSaved(project: string, task: string, base: string, bundleFile: string): Promise<SavedChange>;
  /**
   * Puts the task's change back to `to`, a commit it once was, or its base; `from`, what it is now, is kept as a branch
   * `ralph/<task>-rewound-<n>`. Made again with the same `from` it gives the same answer.
   */
  rewind(project: string, task: string, way: { from: string | null; to: string }): Promise<RewoundChange>;
  diff(project: string, base: string, commit: string): Promise<string>;
  /** The files of the change; those that match `protectedPatterns` are marked. */
  files(project: string, base: string, commit: string, protectedPatterns: readonly string[]): Promise<FileChange[]>;
  /** A commit whose tree is `commit` with every path that matches `patterns` put back to `base`; the same commit when none differs. */
  restoreProtected(project: string, base: string, commit: string, patterns: readonly string[]): Promise<string>;
  /** The change moved onto `newBase`. `equalPatch` tells whether the patch is the same to the byte. */
  rebase(
    project: string,
    task: string,
    newBase: string,
  ): Promise<{ head: string; equalPatch: boolean } | { conflict: string[] }>;
  /**
   * Puts the approved commit on the user's branch: one commit authored with the user's identity, the change id in its header,
   * fast-forward only, never moving what is checked out dirty. Returns the commit on the branch; the same again when repeated.
   */
  integrate(
    project: ProjectRef,
    task: string,
    approved: string,
    base: string,
    message: string,
  ): Promise<{ commit: string }>;
}

export interface AdoptedChange {
  base: string;
  commit: string;
  change: string | null;
}

export interface ProjectRef {
  name: string;
  path: string;
  branch: string;
}

export interface CheckoutFacts {
  isFolder: boolean;
  isRepository: boolean;
  /** Without working files. */
  isBare: boolean;
  /** Its history is cut off; a workspace cannot be seeded from it. */
  isShallow: boolean;
  /** null: detached HEAD (as in a repository shared with jj). */
  branch: string | null;
  /** null: no commit yet. */
  tip: string | null;
  dirty: boolean;
  hasSubmodules: boolean;
  usesLfs: boolean;
  /** Paths that jj cannot hold (not UTF-8); at most ten. */
  badNames: string[];
  userName: string | null;
  userEmail: string | null;
}

export interface ChangeRef {
  changeId: string;
  head: string;
}

export interface SavedChange {
  head: string;
  /** What was saved, whatever commit holds it. */
  tree: string;
  changed: boolean;
  files: number;
  /** What the guest said it left out (too large, embedded repositories). */
  leftOut: string[];
}

export interface RewoundChange {
  /** Null at the beginning: nothing of the change is left. */
  head: string | null;
  /** What the change stands on now: it may have been moved since. */
  base: string;
  /** The branch that holds what was taken back; null when that was nothing. */
  kept: string | null;
}

export interface FileChange {
  path: string;
  status: 'added' | 'modified' | 'deleted' | 'renamed' | 'type-changed';
  added: number | null;
  deleted: number | null;
  isProtected: boolean;
}
