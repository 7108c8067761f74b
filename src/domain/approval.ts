/** The human's word: bound to (commit, base, evidence digest). `void` when the commit or the evidence moved. */
export interface Approval {
  id: number;
  task: string;
  commit: string;
  base: string;
  /** sha256 of the evidence it was given for, 64 hexadecimal digits. */
  evidence: string;
  decision: 'approve' | 'reject';
  notes: string | null;
  /** Where it came from: `terminal`, `flag` (non-interactive), `api`. */
  channel: string;
  by: string;
  at: number;
  state: 'active' | 'used' | 'void';
  /** For a carried-over approval: the commit and base it moved to, and on what evidence. */
  carriedFrom: string | null;
}
