/** What a source holds. `absent`: it is not there, or may not be used; `unclear`: it cannot be told now, and may be there again in a moment. */
export type Found =
  | { kind: 'there'; key: string; isSubscription: boolean; expiresAt: number | null }
  | { kind: 'absent' | 'unclear'; why: string; remedy: string };

/** What Anthropic's OAuth tokens begin with, a subscription's all of them; API keys begin otherwise. */
export function isOauthToken(key: string): boolean {
  return key.startsWith('sk-ant-oat');
}

/** A key alone: no blanks, nothing that could not stand in a header, and no JSON. Null for everything else. */
export function keyOf(text: string): string | null {
  const key = text.trim();
  return /^[\w$+/.~-][\x21-\x7e]{7,4095}$/.test(key) ? key : null;
}

export function found(key: string, more: { isSubscription?: boolean; expiresAt?: number | null } = {}): Found {
  const { isSubscription = isOauthToken(key), expiresAt = null } = more;
  return { kind: 'there', key, isSubscription, expiresAt };
}

export function absent(why: string, remedy: string): Found {
  return { kind: 'absent', why, remedy };
}

export function unclear(why: string, remedy: string): Found {
  return { kind: 'unclear', why, remedy };
}
