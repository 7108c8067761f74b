import { z } from 'zod';
import { taskPriorities } from '../../domain/task-draft.ts';
import { checkId } from '../project/schema.ts';

/** ralph.json: one task, or several under `tasks`. `//` comments are allowed; `passes` is ignored, results live in the store. */
const title = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\r\n]*$/, 'one line');
const long = z.string().max(100_000);

const criterion = z.strictObject({
  id: checkId,
  description: z.string().max(10_000).default(''),
  steps: z.array(z.string().max(10_000)).max(100).default([]),
  backpressure: z.string().min(1).max(4000).optional().describe('Shell command, run inside a guest; 0 = pass'),
  timeoutSeconds: z.int().positive().max(86_400).default(600),
  passes: z.boolean().optional(),
});

const budget = z.strictObject({
  max_tokens: z.int().positive().optional(),
  max_cost_usd: z.number().positive().optional(),
  max_api_calls: z.int().positive().optional(),
  max_duration_ms: z.int().positive().optional(),
});

const taskFields = {
  description: long.default(''),
  acceptance_criteria: z.array(criterion).max(100).default([]),
  context_files: z.array(z.string().min(1).max(1000)).max(500).default([]),
  budget: budget.prefault({}),
};

export const ralphFile = z.strictObject({
  $schema: z.string().optional(),
  repository: z
    .strictObject({ url: z.string().optional(), branch: z.string().optional(), workingDir: z.string().optional() })
    .optional(),
  git: z
    .strictObject({
      featureBranch: z.string().optional(),
      createPr: z.boolean().optional(),
      prTitle: title.optional(),
      prBody: z.string().optional(),
    })
    .optional(),
  execution: z
    .strictObject({
      mode: z.enum(['sequential', 'parallel']).optional(),
      maxConcurrent: z.int().positive().optional(),
      agent: z.string().min(1).max(40).optional(),
      model: z.string().min(1).max(200).optional(),
      race: z.int().positive().max(100).optional(),
    })
    .optional(),
  title: title.optional(),
  ...taskFields,
  max_iterations_per_criterion: z.int().positive().max(1000).optional(),
  tasks: z
    .array(
      z.strictObject({
        id: z.string().min(1).max(60),
        title,
        depends_on: z.array(z.string().min(1).max(60)).max(100).default([]),
        priority: z.enum(taskPriorities).default('medium'),
        ...taskFields,
      }),
    )
    .min(1)
    .max(500)
    .optional(),
});
export type RalphFile = z.output<typeof ralphFile>;
export type RalphFileTask = Pick<RalphFile, 'description' | 'acceptance_criteria' | 'context_files' | 'budget'>;
