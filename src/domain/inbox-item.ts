/** One thing that needs a person. Every face shows the same list, in the same order. */
export const inboxKinds = ['approve', 'answer', 'mend', 'decide-budget', 'info'] as const;
export type InboxKind = (typeof inboxKinds)[number];

/** From worst to least; also the order of the list. `blocking-many`: everything stands still because of you. */
export const inboxSeverities = ['blocking-many', 'blocking-one', 'soon', 'info'] as const;
export type InboxSeverity = (typeof inboxSeverities)[number];

export interface InboxAction {
  /** The key a screen binds it to; capital where it cannot be undone. */
  key: string;
  label: string;
  command: string;
  confirm: 'none' | 'yes' | 'type-id';
  disabledReason: string | null;
}

/** What only tells something asks for nobody: no ping, no exit code, no count. */
export function needsPerson(item: Pick<InboxItem, 'severity'>): boolean {
  return item.severity !== 'info';
}

export interface InboxItem {
  /** kind + subject + generation: the same thing keeps its id, a re-raised one gets a new one. */
  id: string;
  kind: InboxKind;
  subject: { task: string | null; ralph: string | null; vm: string | null; project: string | null };
  title: string;
  why: string;
  /** ISO 8601 UTC. */
  since: string;
  ageClass: 'fresh' | 'waiting' | 'overdue';
  actions: InboxAction[];
  link: { cli: string; tui: string | null; web: string | null };
  severity: InboxSeverity;
}
