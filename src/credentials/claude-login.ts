import { z } from 'zod';
import { compilePaths, createJsonMembers } from '../lib/json-members.ts';
import { type Found, keyOf, found as there, unclear } from './found.ts';

/**
 * The login of Claude Code, read and never written: `{"claudeAiOauth": {"accessToken", "expiresAt", …}}`. Only these two are
 * picked out. What renews the login is not taken out of the bytes: who uses it logs out everyone else who holds it.
 */
const paths = compilePaths(['claudeAiOauth.accessToken', 'claudeAiOauth.expiresAt']);
const token = z.string();
const expiry = z.number().nullable();

export const claudeKeychainService = 'Claude Code-credentials';
export const renewLogin = 'run `claude` once on this host: it renews its login';

/** The bytes are wiped: the rest of them is nobody's business. */
export function readClaudeLogin(bytes: Buffer, where: string): Found {
  try {
    const members = createJsonMembers(paths);
    members.push(bytes);
    if (members.state() !== 'whole') return unclear(`${where} is not whole`, renewLogin);
    const accessToken = token.safeParse(parsed(members.get('claudeAiOauth.accessToken')?.texts[0]));
    const expiresAt = expiry.safeParse(parsed(members.get('claudeAiOauth.expiresAt')?.texts[0] ?? 'null'));
    const key = accessToken.success ? keyOf(accessToken.data) : null;
    if (key === null) return unclear(`${where} holds no login with a subscription`, 'claude /login');
    if (!expiresAt.success) return unclear(`${where} does not say until when it is valid`, renewLogin);
    return there(key, { isSubscription: true, expiresAt: expiresAt.data });
  } finally {
    bytes.fill(0);
  }
}

function parsed(json: string | undefined): unknown {
  try {
    return json === undefined ? undefined : JSON.parse(json);
  } catch {
    return undefined;
  }
}
