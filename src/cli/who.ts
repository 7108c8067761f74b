/** Who sits here, as recorded with an approval. */
export function who(env: Record<string, string | undefined>): string {
  return env['SUDO_USER'] || env['USER'] || env['LOGNAME'] || 'unknown';
}
