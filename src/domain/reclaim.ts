/** What `gc` looks through, in the order people read it. */
export const reclaimKinds = [
  'image',
  'prepared disk',
  'template',
  'snapshot',
  'run',
  'record',
  'backup',
  'leftover',
] as const;
export type ReclaimKind = (typeof reclaimKinds)[number];

/** Something that may go, since nothing that is there or comes needs it. */
export interface Reclaimable {
  kind: ReclaimKind;
  /** A key, an id or a path. */
  name: string;
  /** Why nobody needs it. */
  why: string;
  /** What it takes on the host's disk. */
  sizeBytes: number;
}
