import { sha256 } from '../lib/digest.ts';

/** Key of a project's prepared disk, 16 hexadecimal digits: what is in the image, the setup command, the files it reads. */
export function preparedKey(image: string, setup: { run: string }, inputsHash: string): string {
  return sha256(JSON.stringify([1, image, setup.run, inputsHash])).slice(0, 16);
}
