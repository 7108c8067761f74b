/** Where something listens on this machine alone. */
export interface Listen {
  host: string;
  port: number;
}

export const defaultMetricsListen = '127.0.0.1:9464';

/** `127.0.0.1:9464`, `localhost:9464`, `[::1]:9464`; null for what is not an address of this machine alone. */
export function parseListen(text: string): Listen | null {
  const [, host = '', digits = ''] = /^(\[::1\]|localhost|127(?:\.\d{1,3}){3}):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host === '' || port < 1 || port > 65_535) return null;
  if (host.startsWith('127.') && host.split('.').some((part) => Number(part) > 255)) return null;
  return { host: host === '[::1]' ? '::1' : host, port };
}
