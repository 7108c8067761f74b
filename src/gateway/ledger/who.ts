import type { Settlement } from '../../contract/gateway.ts';

/** Whose call it is. */
export type Who = Pick<Settlement, 'grant' | 'project' | 'task' | 'ralph' | 'iteration' | 'role'>;
