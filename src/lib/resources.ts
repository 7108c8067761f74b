import { dirname, join } from 'node:path';

// src/lib in a checkout, dist/lib in the built package: both lie two folders below the package's root.
const sources = dirname(import.meta.dirname);

/** Absolute path of a file that comes with the program: `resourcePath('prompts/implementer.md')`, from the package's root. */
export function resourcePath(path: string): string {
  return join(dirname(sources), path);
}

/** Absolute path of what stands beside the code: `sourcePath('guest/scripts')`, in `src` or `dist`. */
export function sourcePath(path: string): string {
  return join(sources, path);
}
