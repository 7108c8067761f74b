import type { RalphRole } from '../domain/iteration.ts';
import { roleVerbs } from '../domain/signal.ts';
import { type PromptTemplate, renderPrompt } from './template.ts';

/** How an agent says how its iteration ends. */
export interface Ending {
  /** Shows that a line of its file is its own, and that the prompt reached the model. */
  nonce: string;
  /** The names of its tools by verb; null: it has none, and signals by the file. */
  mcpTool: ((verb: string) => string) | null;
}

export interface EndingTemplates {
  byFile: PromptTemplate;
  byTools: PromptTemplate;
}

export function endingText(role: RalphRole, templates: EndingTemplates, { nonce, mcpTool }: Ending): string {
  if (mcpTool === null) return renderPrompt(templates.byFile, { nonce }).trim();
  const names = roleVerbs[role].map((verb) => [verb, mcpTool(verb)] as const);
  return renderPrompt(templates.byTools, { nonce, ...Object.fromEntries(names) }).trim();
}
