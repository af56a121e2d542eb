import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

/** Bytes of a secret; the specification asks for 24 to 64. */
const SECRET_BYTES = 32;

/** @returns a new secret, such as `whsec_...` */
export function newWebhookSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
}

/**
 * Signs a message.
 * @param secrets the current one, and the one before it while receivers change over: the message carries a signature of each
 * @param at Unix milliseconds of the attempt
 * @see https://www.standardwebhooks.com
 */
export function signedHeaders(
  secrets: readonly string[],
  id: string,
  at: number,
  payload: string,
): Record<string, string> {
  const seconds = Math.floor(at / 1_000);
  const signatures = secrets.map((secret) =>
    new Webhook(secret).sign(id, new Date(seconds * 1_000), payload),
  );
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': signatures.join(' '),
  };
}
