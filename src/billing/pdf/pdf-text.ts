/** Characters without a shape of their own, which could hide text or change its direction. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** @returns a text in which each invisible character is its code, such as `[U+202E]` */
export function visibleText(text: string): string {
  return text.replaceAll(INVISIBLE, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
    return `[U+${code.padStart(4, '0')}]`;
  });
}

/** @param decimal such as `-1234567.5`. @returns `-1,234,567.5` */
export function grouped(decimal: string): string {
  const [whole = '', fraction] = decimal.split('.');
  const groups = whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
  return fraction === undefined ? groups : `${groups}.${fraction}`;
}

const UNITS: Readonly<Record<string, string>> = {
  input: 'Input tokens',
  cached_input: 'Input tokens from cache',
  cache_write: 'Input tokens to cache',
  output: 'Output tokens',
  reasoning: 'Reasoning tokens',
  request: 'Requests',
  second: 'Seconds',
  cost: 'Provider cost',
};

/** A part of a line: what, how much, at which price. */
export interface PartText {
  readonly what: string;
  readonly quantity: string;
  readonly price: string;
  readonly amount: string;
}

/** @param cost US dollars that providers cost, for the part that has no quantity. @param rate of the currency, if it is another */
export function partText(
  part: { unit: string; quantity: string | null; price: string; per: string; amount_exact: string },
  cost: string,
  rate?: string,
): PartText {
  const what = UNITS[part.unit] ?? part.unit;
  const amount = grouped(part.amount_exact);
  const exchange = rate === undefined ? '' : ` × ${rate}`;
  if (part.quantity === null)
    return { what, quantity: `USD ${grouped(cost)}`, price: `× ${part.price}${exchange}`, amount };
  const isTime = part.unit === 'second';
  const quantity = isTime ? thousandth(part.quantity) : part.quantity;
  const per = part.per === '1000000' ? ' / million' : '';
  return { what, quantity: grouped(quantity), price: `× ${grouped(part.price)}${per}`, amount };
}

/** Milliseconds as seconds. */
function thousandth(milliseconds: string): string {
  const digits = milliseconds.padStart(4, '0');
  return `${digits.slice(0, -3)}.${digits.slice(-3)}`;
}
