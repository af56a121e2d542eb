/**
 * Long runs with the look of a credential: a known prefix with a tail, or a key that a vendor has masked itself.
 * Patterns of any length begin only where a word does; otherwise a long text would be scanned again from each character.
 */
const KEY_SHAPES =
  /\b(?:sk|pk|rk|gsk|xai|wr|key|hf|r8|AIza)[-_][\w.\-*]{6,}|\bBearer +[\w.\-*]{6,}|\bAIza[\w-]{20,}|(?<![\w-])[\w-]*\*{3,}[\w-]*|(?<![\w-])eyJ[\w-]{10,}\.[\w-]+\.[\w-]*/g;

/**
 * Takes credentials out of a text that will be shown to a client or written to a log.
 * @param secrets exact values to take out wherever they stand
 */
export function redactSecrets(text: string, secrets: readonly (string | undefined)[] = []): string {
  let out = text;
  for (const secret of secrets) if (secret && secret.length >= 4) out = out.replaceAll(secret, '[redacted]');
  return out.replace(KEY_SHAPES, '[redacted]');
}
