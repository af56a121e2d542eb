/** Loaded before all tests by `npm run test:full`: properties that name no number of runs run longer too. */
import fc from 'fast-check';
import { runs } from './effort.ts';

/** fast-check's own default. */
const USUAL_RUNS = 100;

fc.configureGlobal({ ...fc.readConfigureGlobal(), numRuns: runs(USUAL_RUNS) });
