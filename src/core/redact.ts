/**
 * Credentials by their form: a known prefix with a tail, or a key that a vendor masked. Patterns of unbounded length start
 * at a word boundary only; otherwise a long text would be scanned again from each character.
 */
const KEY_SHAPES =
  /\b(?:sk|pk|rk|gsk|xai|wr|key|hf|r8|AIza)[-_][\w.\-*]{6,}|\bBearer +[\w.\-*]{6,}|\bAIza[\w-]{20,}|(?<![\w-])[\w-]*\*{3,}[\w-]*|(?<![\w-])eyJ[\w-]{10,}\.[\w-]+\.[\w-]*/g;

/**
 * Replaces credentials in a text for clients or the log.
 * @param secrets exact values to replace; shorter ones than four characters are ignored
 */
export function redactSecrets(text: string, secrets: readonly (string | undefined)[] = []): string {
  let out = text;
  for (const secret of secrets) if (secret && secret.length >= 4) out = out.replaceAll(secret, '[redacted]');
  return out.replace(KEY_SHAPES, '[redacted]');
}
