// Tests of the console in a browser: `npm run test:console`, and a part of `npm test`.
import './first-steps.ts';
import './sign-in.ts';
import './tenancy.ts';
import './traffic.ts';
import './policies.ts';
import './invoices.ts';
import './webhooks.ts';
import './alerts.ts';
import './exports.ts';
import './reports.ts';
import './batches.ts';
import './prompts.ts';
import './changes.ts';
import './keyboard.ts';
import './pages.ts';
import './guide.ts';

const MAX_MS = 15 * 60_000;
// A browser or gateway that never ends must not keep `npm test` running.
setTimeout(() => {
  console.error(`the tests of the console did not end within ${MAX_MS / 60_000} minutes`);
  process.exit(1);
}, MAX_MS).unref();
