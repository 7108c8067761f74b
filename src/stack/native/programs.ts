import { constants } from 'node:fs';
import { access, realpath } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { type ServiceName, services } from '../services.ts';

/** The first program of that service on the PATH, resolved to its file; null when there is none. */
export async function findProgram(name: ServiceName, path: string): Promise<string | null> {
  for (const program of services[name].programs) {
    for (const folder of path.split(delimiter).filter((one) => one.startsWith('/'))) {
      const file = join(folder, program);
      if (await isReadable(file, constants.X_OK)) return realpath(file);
    }
  }
  return null;
}

/** What comes before the service's own arguments. Grafana wants to know where its pages are. */
export async function commandOf(name: ServiceName, program: string): Promise<string[]> {
  if (name !== 'grafana') return [program];
  const homes = [join(dirname(program), '../share/grafana'), join(dirname(program), '..'), '/usr/share/grafana'];
  const found: string[] = [];
  for (const home of homes) if (await isReadable(join(home, 'conf/defaults.ini'), constants.R_OK)) found.push(home);
  const home = found[0] === undefined ? [] : ['--homepath', found[0]];
  return program.endsWith('-server') ? [program, ...home] : [program, 'server', ...home];
}

function isReadable(file: string, mode: number): Promise<boolean> {
  return access(file, mode).then(
    () => true,
    () => false,
  );
}
