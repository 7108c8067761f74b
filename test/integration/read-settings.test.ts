import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createReadSettings } from '../../src/daemon/read-settings.ts';
import { aProject } from '../support/rows.ts';
import { createKit, installJj } from './changes-kit.ts';

it('a commit’s own settings protect what its files show, where they name nothing', async () => {
  await using kit = await createKit(await installJj());
  const read = createReadSettings(kit.changes);
  const project = aProject({ name: 'shop' });
  expect(await read(project, kit.base)).toEqual(project.settings);
  await mkdir(join(kit.project.path, '.ralph'));
  await writeFile(join(kit.project.path, 'package.json'), '{}');
  await writeFile(join(kit.project.path, '.ralph/project.yaml'), 'version: 1\nchecks: [{id: t, run: x}]\n');
  await kit.user('add', '-A');
  await kit.user('commit', '-qm', 'settings');
  const { tip } = await kit.changes.sync(kit.project);
  const settings = await read(project, tip);
  expect(settings.checks.map((check) => check.id)).toEqual(['t']);
  expect(settings.protected).toEqual(expect.arrayContaining(['**/*.test.*', '.github/**', '.ralph/**']));
});
