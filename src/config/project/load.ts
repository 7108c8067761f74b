import type { ProjectSettings } from '../../domain/project.ts';
import { isRegistryKind, registryKinds } from '../../domain/registry.ts';
import { checkDocument, parseYaml, type Source } from '../document.ts';
import { problemAt } from '../parsed.ts';
import { type FileProblem, formatPath, type Read, refuseProblems } from '../problems.ts';
import { defaultProtected } from './propose.ts';
import { projectFile } from './schema.ts';

/** .ralph/project.yaml -> settings. `files`: the repository's paths, for the protected files where none are named. */
export function readProjectSettings(source: Source, files: readonly string[]): Read<ProjectSettings> {
  refuseReplaced(source);
  const parsed = parseYaml(source);
  const file = checkDocument(source, parsed, projectFile);
  const problems: FileProblem[] = [];
  const named = [
    ...file.checks.map(({ id }, i) => ({ noun: 'check', key: 'id', name: id, i })),
    ...file.services.map(({ name }, i) => ({ noun: 'service', key: 'name', name, i })),
  ];
  for (const { noun, key, name, i } of named) {
    if (!named.some((other) => other.noun === noun && other.name === name && other.i < i)) continue;
    const path = [`${noun}s`, i, key];
    const what = { message: `is \`${name}\`, like an earlier ${noun}`, remedy: `give each ${noun} one of its own` };
    problems.push(problemAt(parsed, path, formatPath(path), what));
  }
  refuseProblems(source.file, problems);
  const warnings: FileProblem[] = [];
  file.registries.forEach((name, i) => {
    if (isRegistryKind(name)) return;
    const known = registryKinds.map((kind) => `\`${kind}\``).join(', ');
    const what = { message: `is \`${name}\`; a setup can reach ${known} only in this version`, remedy: null };
    warnings.push(problemAt(parsed, ['registries', i], `registries[${i}]`, what));
  });
  const value: ProjectSettings = {
    setup: file.setup,
    protected: [...new Set([...(file.protected ?? defaultProtected(files)), '.ralph/**'])],
    checks: file.checks.map((check) => ({ ...check, description: check.description ?? check.id })),
    registries: file.registries,
    packages: file.packages,
    services: file.services,
  };
  return { value, warnings };
}

/** It comes out of git as text: what was no UTF-8 stands there as U+FFFD, and a command with it would be another command. */
function refuseReplaced({ file, text }: Source): void {
  const at = text.indexOf('\ufffd');
  if (at < 0) return;
  const line = text.slice(0, at).split('\n').length;
  const col = at - text.lastIndexOf('\n', at);
  refuseProblems(file, [{ line, col, path: '', message: 'is not UTF-8 text here', remedy: 'save it as UTF-8' }]);
}
