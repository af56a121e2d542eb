/** True in `npm run test:full`: properties run longer, and tests that take minutes run at all. */
export const FULL = process.env.WEIR_TEST_FULL === '1';

const FACTOR = 20;

/**
 * How often a property runs.
 * @param usual runs in `npm test`
 * @returns twenty times as many in `npm run test:full`
 */
export function runs(usual: number): number {
  return FULL ? usual * FACTOR : usual;
}
