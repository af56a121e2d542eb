/** What vendors and engines say of a request that the model or the server can never serve. */
const NOUN =
  '(?:images?|image_url|vision|multi-?modal|audio|video|documents?|pdfs?|embeddings?|embed|re-?rank(?:ing)?|scor(?:e|ing)|chat|completions?|generat(?:e|ion)|tools?|tool use|function call(?:s|ing)?|tokeniz(?:e|ation))';
const LACKS_ABILITY = new RegExp(
  [
    `(?:does not|doesn't|do not|don't|cannot|can't) support (?:the |an? )?(?:/?v\\d/)?${NOUN}\\b`,
    `\\b(?:image|audio|video|vision|pdf|document|multi-?modal) (?:inputs?|content|data) (?:is|are) not supported`,
    `\\bonly supported by certain models`,
    `\\bnot an? (?:chat|embeddings?|completions?|re-?rank(?:ing|er)?|vision|multi-?modal) model`,
    `\\bno endpoints found that support`,
    `\\bat most 0 (?:image|audio|video)`,
    `\\bdoes not appear to be an? embeddings? model`,
  ].join('|'),
  'i',
);
/** Beside a status of 500 or more, where a vendor never reports a wrong parameter. */
const NOT_SUPPORTED =
  /\bnot (?:yet |currently )?(?:supported|implemented)\b|\b(?:does not|doesn't) support\b|\bunsupported\b|\brequires --\w/i;
/** The whole message of web frameworks for a path that the server lacks. */
const NO_SUCH_PATH = /^(?:not found|method not allowed)$/i;

/**
 * Whether a server reports that it cannot serve the request at all: an operation that it was started without, or an image for
 * a text-only model. Another target may serve it, and the target is healthy.
 * @param status HTTP status
 * @param message the vendor's reason
 * @param hasErrorObject the body is in the vendor's error format, so the API exists
 */
export function isUnsupported(status: number, message: string | undefined, hasErrorObject: boolean): boolean {
  if (status === 501) return true;
  const text = message ?? '';
  if (status >= 500) return status !== 503 && NOT_SUPPORTED.test(text);
  if (status === 404 || status === 405) {
    if (!hasErrorObject && NO_SUCH_PATH.test(text)) return true;
  }
  return (
    (status === 400 || status === 404 || status === 405 || status === 415 || status === 422) &&
    LACKS_ABILITY.test(text)
  );
}
