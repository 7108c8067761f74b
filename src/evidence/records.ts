import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunRecord } from '../domain/run-record.ts';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { sha256 } from '../lib/digest.ts';
import { runRecord } from './schema.ts';

/** Records of runs on the host's disk, `<sha256>.json` each. */
export interface RecordFiles {
  write(record: RunRecord): Promise<string>;
  /** null when it is gone, or is not what its name says. */
  read(digest: string): Promise<RunRecord | null>;
}

export function createRecordFiles(folder: string): RecordFiles {
  return {
    async write(record) {
      const text = canonicalJson(record);
      const digest = sha256(text);
      await writeFileAtomic(join(folder, `${digest}.json`), text);
      return digest;
    },
    async read(digest) {
      if (!/^[0-9a-f]{64}$/.test(digest)) return null;
      const text = await readFile(join(folder, `${digest}.json`), 'utf8').catch(() => null);
      return text === null || sha256(text) !== digest ? null : runRecord.parse(JSON.parse(text));
    },
  };
}
