// Tests of the console in a browser: `npm run test:console`, and a part of `npm test`.
import './first-steps.ts';
import './sign-in.ts';
import './tenancy.ts';
import './traffic.ts';
import './pages.ts';
