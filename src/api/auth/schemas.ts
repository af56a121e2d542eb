import { z } from 'zod';
import { email, personName } from '../../tenancy/names.ts';
import { password, sessionObject, userObject } from '../admin/users.ts';

export const passwordSignIn = z.strictObject({ email, password: z.string().max(200) });
export const keySignIn = z.strictObject({ key: z.string().min(1).max(300).describe('An admin key.') });
export const signInBody = z.union([passwordSignIn, keySignIn]).meta({ id: 'SignIn' });
const holder = userObject.nullable().describe('Null for a session of an admin key.');
export const signedIn = z
  .object({
    user: holder,
    session: z.string().describe('For `Authorization: Bearer`, as an alternative to the cookie.'),
    expires_at: z.string(),
  })
  .meta({ id: 'SignedIn' });
export const sessionList = z
  .object({
    object: z.literal('list'),
    data: z.array(sessionObject),
  })
  .meta({ id: 'SessionList' });
export const ownSession = z.object({ user: holder, expires_at: z.string() }).meta({ id: 'Session' });
export const signedOut = z.object({ signed_out: z.literal(true) }).meta({ id: 'SignedOut' });
export const sessionEnded = z.object({ ended: z.literal(true) }).meta({ id: 'SessionEnded' });
export const providerList = z
  .object({
    object: z.literal('list'),
    data: z.array(z.object({ id: z.string(), name: z.string(), url: z.string() })),
  })
  .meta({ id: 'IdentityProviderList' });
export const passwordBody = z
  .strictObject({ current: z.string().max(200).optional(), password })
  .meta({ id: 'PasswordChange' });
export const acceptBody = z
  .strictObject({ token: z.string().max(300), name: personName.optional(), password: password.optional() })
  .meta({ id: 'InvitationAcceptance' });
export const tokenBody = z
  .strictObject({
    expires_in: z
      .int()
      .min(30)
      .max(86_400)
      .optional()
      .describe('Seconds. Default and maximum: `auth.token`.'),
  })
  .meta({ id: 'TokenRequest' });
export const tokenResponse = z
  .object({ access_token: z.string(), token_type: z.literal('Bearer'), expires_in: z.number().int() })
  .meta({ id: 'Token' });
