import { z } from 'zod';
import { type InboxItem, inboxKinds, inboxSeverities } from '../domain/inbox-item.ts';
import { isoTime } from './common.ts';

const text = z.string().nullable();

export const inboxItem = z.object({
  id: z.string(),
  kind: z.enum(inboxKinds),
  subject: z.object({ task: text, ralph: text, vm: text, project: text }),
  title: z.string(),
  why: z.string(),
  since: isoTime,
  ageClass: z.enum(['fresh', 'waiting', 'overdue']),
  actions: z.array(
    z.object({
      key: z.string(),
      label: z.string(),
      command: z.string(),
      confirm: z.enum(['none', 'yes', 'type-id']),
      disabledReason: text,
    }),
  ),
  link: z.object({ cli: z.string(), tui: text, web: text }),
  severity: z.enum(inboxSeverities),
}) satisfies z.ZodType<InboxItem>;
