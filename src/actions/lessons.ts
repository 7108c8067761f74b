import type { Project } from '../domain/project.ts';
import { FleetError } from '../lib/errors.ts';
import { type ActionDeps, type Done, done } from './deps.ts';

export function findProject({ store }: ActionDeps, name: string): Project {
  const project = store.projects.get(name);
  if (project === null) {
    throw new FleetError('not_found', `There is no project \`${name.slice(0, 60)}\`.`, {
      remedy: 'ralph-fleet project list',
    });
  }
  return project;
}

/** Takes out one lesson, or all (null). It is remembered as forgotten, so that no agent brings it back. */
export function forgetLessons(deps: ActionDeps, name: string, id: string | null): Done {
  const { store } = deps;
  const project = findProject(deps, name);
  const open = store.lessons.list('WHERE project = ? AND forgotten = 0', project.name);
  const gone = open.filter((lesson) => id === null || lesson.id === id);
  if (gone.length === 0 && id !== null) {
    throw new FleetError('not_found', `There is no note \`${id.slice(0, 60)}\` of \`${project.name}\`.`, {
      remedy: `ralph-fleet project notes ${project.name}`,
    });
  }
  store.tx(() => {
    for (const lesson of gone) store.lessons.update(lesson.id, { forgotten: true });
    if (gone.length > 0)
      store.events.add('project.forgot', project.name, `${gone.map((it) => it.id).join(', ')} is forgotten.`);
  });
  const what = gone.length === 1 ? `\`${gone[0]?.id}\` is` : `${gone.length} notes are`;
  return done(`${what} forgotten.`, null, gone.length > 0);
}
