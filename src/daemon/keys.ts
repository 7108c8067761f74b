import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { hmacSha256 } from '../lib/digest.ts';
import type { Exec } from '../lib/exec.ts';

export interface Keys {
  /** Private key the host logs in to guests with; its public half goes into them. */
  sshKeyFile: string;
  authorizedKey: string;
  /** An iteration's token: the same each time it is asked for, stored nowhere. */
  tokenOf: (iteration: string) => string;
  /** What only this installation can make of a text: 64 hexadecimal digits. Of another kind than tokens. */
  keyed: (text: string) => string;
}

/** Reads the fleet's own keys, or makes them. They open guests and the gateway of this host only. */
export async function openKeys(folder: string, exec: Exec): Promise<Keys> {
  const sshKeyFile = join(folder, 'guest_ed25519');
  if ((await readOr(`${sshKeyFile}.pub`)) === null) {
    const aside = join(folder, `.guest_${process.pid}_${randomBytes(4).toString('hex')}`);
    await exec(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'ralph-fleet', '-f', aside], {
      timeoutMs: 30_000,
    });
    await exec(['mv', '-f', '--', aside, sshKeyFile]);
    await exec(['mv', '-f', '--', `${aside}.pub`, `${sshKeyFile}.pub`]); // last: a public half that is there is whole
  }
  const secretFile = join(folder, 'token.key');
  let secret = await readOr(secretFile);
  if (secret === null) {
    secret = Buffer.from(randomBytes(32).toString('hex'));
    await writeFileAtomic(secretFile, secret);
  }
  const key = secret;
  return {
    sshKeyFile,
    authorizedKey: (await readFile(`${sshKeyFile}.pub`, 'utf8')).trim(),
    tokenOf: (iteration) => `rft_${hmacSha256(key, iteration).slice(0, 48)}`,
    keyed: (text) => hmacSha256(key, `keyed ${text}`),
  };
}

async function readOr(file: string): Promise<Buffer | null> {
  return readFile(file).catch(() => null);
}
