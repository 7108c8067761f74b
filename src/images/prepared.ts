import { hashOf } from './cache.ts';

/** What a prepared disk is made from; the same inputs give the same disk. */
export interface PreparedInputs {
  /** Key of the image it stands on. */
  image: string;
  /** Packages beyond the image's. */
  packages: readonly string[];
  /** The project's setup command (`setup.run`). */
  run: string | null;
  /** Hash over the content of the setup's input paths at the base commit (`Changes.hashPaths`). */
  inputs: string;
}

/** Key of a project's prepared disk, 16 hexadecimal digits. */
export function preparedKey(inputs: PreparedInputs): string {
  return hashOf(['prepared', '2', inputs.image, ...inputs.packages, inputs.run ?? '', inputs.inputs]);
}
