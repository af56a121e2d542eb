import { findSecrets } from './detectors/secrets.ts';

/**
 * Credentials that a vendor shortened or masked, which `findSecrets` leaves: a known prefix with any tail. Patterns of unbounded
 * length start at a word boundary only; otherwise a long text would be scanned again from each character.
 */
const KEY_SHAPES =
  /\b(?:sk|pk|rk|gsk|xai|wr|key|hf|r8|AIza)[-_][\w.\-*]{6,}|\bBearer +[\w.\-*]{6,}|\bAIza[\w-]{20,}|(?<![\w-])[\w-]*\*{3,}[\w-]*|(?<![\w-])eyJ[\w-]{10,}\.[\w-]+\.[\w-]*/g;

/**
 * Replaces credentials in a text of an upstream, for clients and for the log. Its ids may be replaced too: nothing of ours
 * depends on them.
 * @param secrets exact values to replace; shorter ones than four characters are ignored
 */
export function redactSecrets(text: string, secrets: readonly (string | undefined)[] = []): string {
  let out = text;
  for (const secret of secrets) if (secret && secret.length >= 4) out = out.replaceAll(secret, '[redacted]');
  return withoutFound(out.replace(KEY_SHAPES, '[redacted]'));
}

function withoutFound(text: string): string {
  const found: { readonly start: number; readonly end: number }[] = [];
  findSecrets(text, (_, start, end) => found.push({ start, end }));
  if (found.length === 0) return text;
  let out = '';
  let last = 0;
  for (const { start, end } of found.sort((a, b) => a.start - b.start)) {
    if (start >= last) out += `${text.slice(last, start)}[redacted]`;
    last = Math.max(last, end);
  }
  return out + text.slice(last);
}
