/** The first product of a `user-agent`, and the language that SDKs name after it: `Vendor/Python 2.1.0`. */
const PRODUCT = /^([A-Za-z][\w.+-]{0,39})(?:\/([A-Za-z][\w+-]{0,19})(?![\w.+-]))?/;

/**
 * The application that sends a request, for usage by client. Without version, so that its usage stays together.
 * @param userAgent value of the header; null without one
 * @returns such as `Vendor/Python`, `curl` or `Mozilla` for browsers; undefined where the header has none
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-user-agent
 */
export function clientApplication(userAgent: string | null): string | undefined {
  if (userAgent === null) return undefined;
  const match = PRODUCT.exec(userAgent);
  if (!match) return undefined;
  return match[2] === undefined ? match[1] : `${match[1]}/${match[2]}`;
}
