import { z } from 'zod';
import { budgetPeriods } from '../domain/budget.ts';
import { isoTime } from './common.ts';
import { countedAs, settlementFlags } from './gateway.ts';

/** The budget tree: `GET /v1/budgets`, `POST /v1/budgets`. Null limits: none at this level. Null figures: not known just now. */
const figure = z.number().nullable();
const amounts = z.object({ usd: z.number(), tokens: z.number(), calls: z.number(), seconds: figure });
const limits = z.object({ usd: figure, tokens: figure, calls: figure, seconds: figure });

export const budgetLevelView = z.object({
  /** `fleet`, `project:NAME`, `task:ID`, `review:ID`, `ralph:NAME`. */
  node: z.string(),
  /** A task's title; else null. */
  title: z.string().nullable(),
  per: z.enum(budgetPeriods),
  since: isoTime.nullable(),
  /** When the period ends; null when it does not end by itself. */
  endsAt: isoTime.nullable(),
  limit: limits,
  /** Where the limits come from, in a few words. */
  source: z.string(),
  settled: amounts.nullable(),
  /** Worst cases of calls that are open. */
  reserved: amounts.nullable(),
  left: limits.nullable(),
  /** Calls that wait for others to end. */
  held: z.number().int().nullable(),
  /** Why it keeps calls out; null while it does not. */
  stop: z.string().nullable(),
});

export const budgetsView = z.object({
  asOf: isoTime,
  levels: z.array(budgetLevelView),
  /** Of what the period's spend of the one level that was asked for is made. */
  spent: z
    .object({
      node: z.string(),
      rows: z.array(
        z.object({
          model: z.string(),
          counted: z.enum(countedAs),
          flags: z.array(z.enum(settlementFlags)),
          calls: z.number().int(),
          tokens: z.number(),
          cacheReadTokens: z.number(),
          usd: z.number(),
          priceKnown: z.boolean(),
          /** A subscription covers it. */
          imputed: z.boolean().optional(),
        }),
      ),
      loweredCalls: z.number().int(),
      heldCalls: z.number().int(),
      heldMs: z.number(),
    })
    .nullable(),
  /** What of all dollars ever spent is imputed. */
  imputedUsd: z.number().optional(),
  problems: z.array(z.object({ what: z.string(), remedy: z.string() })),
});

export const budgetsQuery = z.strictObject({ level: z.string().max(300).optional() });

const positive = z.number().positive();
export const budgetSet = z.strictObject({
  /** A level as a person names it: `fleet`, a task, a project, a Ralph, `review:TASK`. */
  level: z.string().min(1).max(300),
  /** Takes back what was set there before. */
  reset: z.boolean().default(false),
  per: z.enum(budgetPeriods).optional(),
  usd: positive.nullable().optional(),
  tokens: positive.nullable().optional(),
  calls: positive.nullable().optional(),
  ms: positive.nullable().optional(),
  by: z.string().min(1),
});

export type BudgetsView = z.infer<typeof budgetsView>;
export type BudgetLevelView = z.infer<typeof budgetLevelView>;
