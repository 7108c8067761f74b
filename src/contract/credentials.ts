import { z } from 'zod';
import { type CredentialLook, type CredentialSource, credentialStates, providers } from '../domain/credential.ts';
import { isoTime } from './common.ts';

/** Where a credential comes from; never the credential. */
export const credentialSource = z.discriminatedUnion('from', [
  z.strictObject({ from: z.literal('env'), name: z.string() }),
  z.strictObject({ from: z.literal('file'), path: z.string().nullable() }),
  z.strictObject({ from: z.literal('keychain'), service: z.string(), account: z.string() }),
  z.strictObject({ from: z.literal('setup-token'), name: z.string() }),
  z.strictObject({ from: z.literal('claude-login'), path: z.string().nullable() }),
  z.strictObject({ from: z.literal('none') }),
]) satisfies z.ZodType<CredentialSource>;

export const credentialWish = z.object({
  provider: z.enum(providers),
  source: credentialSource,
  /** Looked at anew; what the provider turned down is tried once more. */
  again: z.boolean().default(false),
});

/** How a credential stands. */
export const credentialLook = z.object({
  provider: z.enum(providers),
  source: credentialSource,
  state: z.enum(credentialStates),
  kind: z.enum(['key', 'subscription']).nullable(),
  fingerprint: z.string().nullable(),
  since: z.number(),
  why: z.string().nullable(),
  remedy: z.string().nullable(),
}) satisfies z.ZodType<CredentialLook>;

/** The file in which choices over fleet.yaml are kept. */
export const credentialChoices = z.partialRecord(
  z.enum(providers),
  z.strictObject({ source: credentialSource, at: z.number(), by: z.string() }),
);

export const credentialView = z.object({
  provider: z.enum(providers),
  /** `unknown`: the gateway cannot be asked. */
  state: z.enum([...credentialStates, 'unknown']),
  kind: z.enum(['key', 'subscription']).nullable(),
  /** In a person's words. */
  source: z.string(),
  from: z.string(),
  fingerprint: z.string().nullable(),
  since: isoTime.nullable(),
  why: z.string().nullable(),
  remedy: z.string().nullable(),
  /** `fleet.yaml`, or who chose otherwise. */
  chosenBy: z.string(),
  /** An agent that the fleet uses calls this provider. */
  needed: z.boolean(),
});
export type CredentialView = z.infer<typeof credentialView>;

export const credentialUse = z.strictObject({
  provider: z.enum(providers),
  /** null = as before, looked at anew. */
  source: credentialSource.nullable().default(null),
  /** Back to what fleet.yaml says. */
  reset: z.boolean().default(false),
  by: z.string().min(1),
});

export const credentialUsed = z.object({ message: z.string(), changed: z.boolean(), credential: credentialView });
