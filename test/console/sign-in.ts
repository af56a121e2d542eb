import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { startGateway } from '../support/gateway.ts';
import { sees, seesNot, type Watched } from './browser.ts';
import {
  CONFIG,
  createMember,
  createTenant,
  IDENTITY_PROVIDER,
  PASSWORD,
  SKIP,
  theGateway,
  theIssuerPort,
  visiting,
} from './fixture.ts';

describe('sign-in', { skip: SKIP }, () => {
  before(async () => {
    await createTenant('gate');
    await createMember('gate', 'developer');
  });

  test('with the admin key; a wrong one shows the message of the gateway', () =>
    visiting({ email: null }, async ({ page, expects, settled }) => {
      expects('/admin/v1/me');
      expects('/v1/auth/sign-in');
      await page.goto(`${theGateway().url}/`);
      await page.waitForURL('**/console/sign-in**');
      await page.getByLabel('Admin key').fill('wr-admin-wrong-0123456789abcdef');
      await page.keyboard.press('Enter');
      await sees(page.getByRole('alert').filter({ hasText: 'Not signed in' }));
      await page.getByLabel('Admin key').fill(theGateway().adminKey);
      await page.keyboard.press('Enter');
      await page.waitForURL('**/console/overview');
      await settled();
      await sees(page.getByRole('heading', { name: 'Overview' }));
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.waitForURL('**/console/sign-in');
    }));

  test('with a password, and back to the page that was asked for', () =>
    visiting({ email: null }, async ({ page, expects, settled }) => {
      expects('/admin/v1/me');
      await page.goto(`${theGateway().url}/console/usage?range=7d`);
      await page.waitForURL('**/console/sign-in**');
      await page.getByRole('button', { name: 'Use an e-mail address' }).click();
      await page.getByLabel('E-mail address').fill('developer@gate.test');
      await page.getByLabel('Password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await page.waitForURL('**/console/usage?range=7d');
      await settled();
      await sees(page.getByRole('heading', { name: 'Usage' }));
    }));

  test('does not lead to another site', () =>
    visiting({ email: null }, async ({ page, settled }) => {
      await page.goto(
        `${theGateway().url}/console/sign-in?to=${encodeURIComponent('//weir.invalid/console/')}`,
      );
      await page.getByLabel('Admin key').fill(theGateway().adminKey);
      await page.keyboard.press('Enter');
      await page.waitForURL('**/console/overview');
      await settled();
    }));

  test('with an identity provider, whose refusal is shown where it can be tried again', async () => {
    const { startIssuer } = await import('../support/services/oidc.ts');
    const callback = `${theGateway().url}/v1/auth/oidc/${IDENTITY_PROVIDER.id}/callback`;
    const issuer = await startIssuer(callback, theIssuerPort());
    const signIn = (login: string, then: (watched: Watched) => Promise<void>) =>
      visiting({ email: null }, async (watched) => {
        const { page, expects } = watched;
        expects(issuer.url);
        expects(/googleapis/);
        await page.route(/googleapis/, (route) => route.fulfill({ contentType: 'text/css', body: '' }));
        await page.goto(`${theGateway().url}/console/sign-in`);
        await page.getByRole('link', { name: `Continue with ${IDENTITY_PROVIDER.name}` }).click();
        await page.locator('[name=login]').fill(login);
        await page.locator('[name=password]').fill('any');
        await page.locator('[type=submit]').click();
        await page.getByRole('button', { name: 'Continue' }).click();
        await then(watched);
      });
    try {
      await signIn('ann', async ({ page, settled }) => {
        await page.waitForURL('**/console/overview');
        await settled();
        await sees(page.getByText('Person ann'));
      });
      // The provider has not verified the address.
      await signIn('eve!', async ({ page }) => {
        await page.waitForURL('**/console/sign-in?failed=permission_denied');
        await sees(page.getByRole('alert').filter({ hasText: 'has not confirmed your address' }));
        await sees(page.getByLabel('Admin key'));
      });
    } finally {
      await issuer.close();
    }
  });

  test('a session that ends in a form keeps what was typed', () =>
    visiting({ tenant: 'gate' }, async ({ page, context, open, expects, settled }) => {
      await open('tenants');
      await page.getByRole('button', { name: 'Create a key' }).first().click();
      await page.getByRole('textbox', { name: 'Name', exact: true }).fill('typed before the end');
      await page.getByRole('button', { name: 'Add a limit' }).click();
      await page.getByLabel('At most').fill('7.50');
      await context.clearCookies();
      expects(/\/(admin\/v1|v1\/auth)\//);
      await page.getByRole('button', { name: 'Create', exact: true }).click();
      const again = page.getByRole('dialog', { name: 'Your session has ended' });
      await sees(again);
      await again.getByLabel('Admin key').fill(theGateway().adminKey);
      await again.getByRole('button', { name: 'Sign in', exact: true }).click();
      await seesNot(again);
      await settled();
      assert.equal(
        await page.getByRole('textbox', { name: 'Name', exact: true }).inputValue(),
        'typed before the end',
      );
      assert.equal(await page.getByLabel('At most').inputValue(), '7.50');
      await page.getByRole('button', { name: 'Create', exact: true }).click();
      await sees(page.getByText('The key typed before the end is ready'));
    }));

  test('a gateway that goes away is announced, and its return is noticed', async () => {
    const [port, { mkdtempSync, rmSync }, { tmpdir }, { join }] = await Promise.all([
      freePort(),
      import('node:fs'),
      import('node:os'),
      import('node:path'),
    ]);
    const dataDir = mkdtempSync(join(tmpdir(), 'weir-console-'));
    const options = { config: CONFIG, port, dataDir };
    let own = await startGateway(options);
    try {
      await visiting({ of: own }, async ({ page, open, expects, settled }) => {
        await open('overview');
        // All pages are loaded after the first one, so that they open without the gateway.
        await page.waitForFunction(() => {
          const files = performance.getEntriesByType('resource').map(({ name }) => name);
          return files.filter((name) => /\/chunk-.*\.js$/.test(name)).length >= 6;
        });
        await settled();
        expects(/./);
        await own.stop();
        await page.getByRole('link', { name: 'Events' }).click();
        const banner = page.getByRole('alert').filter({ hasText: 'The gateway does not respond' });
        await sees(banner);
        await banner.getByRole('button', { name: 'Try now' }).click();
        await sees(banner);
        own = await startGateway(options);
        // It is tried again every 5 s.
        await seesNot(banner);
        await page.getByRole('link', { name: 'Overview' }).click();
        await settled();
        await sees(page.getByRole('heading', { name: 'Overview' }));
      });
    } finally {
      await own.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
