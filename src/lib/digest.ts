import { createHash, createHmac } from 'node:crypto';

/** sha256 in 64 hexadecimal digits. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** HMAC-SHA-256 in 64 hexadecimal digits. */
export function hmacSha256(key: Uint8Array, data: string): string {
  return createHmac('sha256', key).update(data).digest('hex');
}
