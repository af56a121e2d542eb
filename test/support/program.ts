import { fileURLToPath } from 'node:url';

/** The module that tests run as `weir`: the bundle that `npm test` has built, or the sources when a test is run alone. */
export const PROGRAM =
  process.env.WEIR_TEST_PROGRAM ?? fileURLToPath(new URL('../../src/main.ts', import.meta.url));
