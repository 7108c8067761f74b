import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RalphRole } from '../domain/iteration.ts';
import { FleetError } from '../lib/errors.ts';
import { type EndingTemplates, endingText } from './ending.ts';
import { type ImplementerInput, implementerValues } from './implementer.ts';
import { type ReviewerInput, reviewerValues } from './reviewer.ts';
import { type PromptTemplate, parseTemplate, renderPrompt } from './template.ts';

/** The prompts of one iteration each, ready to be written into the guest. */
export interface Prompts {
  implementer(input: ImplementerInput): string;
  reviewer(input: ReviewerInput): string;
}

/** Loads and checks all templates of `folder`, and renders each once with empty values, so that a fault shows at start-up. */
export async function loadPrompts(folder: string): Promise<Prompts> {
  const implementer = await load(folder, 'implementer');
  const reviewer = await load(folder, 'reviewer');
  const endings = {
    implementer: await loadEndings(folder, 'implementer'),
    reviewer: await loadEndings(folder, 'reviewer'),
  };
  const prompts: Prompts = {
    implementer: (input) =>
      renderPrompt(implementer, implementerValues(input, endingText('implementer', endings.implementer, input))),
    reviewer: (input) => renderPrompt(reviewer, reviewerValues(input, endingText('reviewer', endings.reviewer, input))),
  };
  const task = { id: 'T0', title: '', description: '', contextFiles: [], notes: [], questions: [], base: null };
  const history = { checkRuns: [], iterations: [] };
  const change = { base: '', commit: '', diff: '', evidence: [], protectedChanges: [] };
  for (const mcpTool of [null, (verb: string) => verb]) {
    const both = { task, checks: [], budgetLeft: '', nonce: '', mcpTool };
    prompts.implementer({ ...both, protectedFiles: [], iteration: 1, history, lessons: [] });
    prompts.reviewer({ ...both, change, earlierFindings: [], round: 1 });
  }
  return prompts;
}

async function loadEndings(folder: string, role: RalphRole): Promise<EndingTemplates> {
  return { byFile: await load(folder, `${role}-ends-by-file`), byTools: await load(folder, `${role}-ends-by-tools`) };
}

async function load(folder: string, id: string): Promise<PromptTemplate> {
  const file = join(folder, `${id}.md`);
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new FleetError('invalid_file', `Cannot read the prompt \`${file}\`.`, { cause });
  });
  const template = parseTemplate(text, file);
  if (template.id !== id) {
    throw new FleetError('invalid_file', `The prompt \`${file}\` says its id is \`${template.id}\`, not \`${id}\`.`);
  }
  return template;
}
