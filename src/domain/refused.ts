/** Why the gateway, or the provider, did not let a call through; `credential`: the host has none that the provider takes. */
export const refusals = [
  'tokens',
  'usd',
  'calls',
  'held',
  'limit',
  'token-unknown',
  'token-expired',
  'credential',
  'upstream',
] as const;
