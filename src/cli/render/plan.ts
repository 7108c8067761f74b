import type { PlanView, WhyView } from '../../contract/plan-view.ts';
import { cell, clean } from './cell.ts';
import { plural, since } from './figures.ts';
import { type Look, paint, stateGlyph } from './look.ts';

export function renderPlan(view: PlanView, look: Look): string[] {
  const line = (head: string, subject: string, text: string) =>
    `  ${cell(head, 20)} ${cell(subject, 16)} ${cell(text, look.columns - 40)}`;
  const steps = view.steps.map((step) => line(step.kind, step.subject, step.reason));
  const waits = view.waits.map((wait) => line(since(wait.since, look.now), wait.subject, wait.waitsFor));
  return [
    paint(
      look,
      'bold',
      steps.length === 0
        ? 'The next pass would do nothing.'
        : `The next pass would do ${plural(steps.length, 'step')}:`,
    ),
    ...steps,
    ...(waits.length === 0 ? [] : ['', paint(look, 'bold', 'Waiting:'), ...waits]),
  ];
}

export function renderWhy(view: WhyView, look: Look): string[] {
  return [
    `${stateGlyph(look, view.state, view.phase)} ${paint(look, 'bold', `${view.task} ${clean(view.title)}`)}`,
    `  phase       ${view.phase}, for ${since(view.since, look.now)}`,
    `  waits for   ${clean(view.waitsFor ?? 'nothing: it moves')}`,
    ...(view.whatWouldMoveIt === null ? [] : [`  moved by    ${clean(view.whatWouldMoveIt)}`]),
    ...(view.command === null ? [] : [`  try         ${clean(view.command)}`]),
  ];
}
