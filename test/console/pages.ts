import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { NAVIGATION } from '../../console/src/shell/navigation.ts';
import { assertAccessible, assertFits, COLOUR_RULES, DESKTOP, PHONE, sees } from './browser.ts';
import { admin, createMember, createTenant, SKIP, send, theGateway, visiting } from './fixture.ts';

/** `npm test` runs three suites at the same time on what may be two cores; `npm run test:full` one after the other. */
const SLOWDOWN = process.env.WEIR_TEST_FULL === '1' ? 1 : 5;
/** Longest task of the page while a list is scrolled, and the time until its first page can be used. Milliseconds. */
const MAX_TASK_MS = 100 * SLOWDOWN;
const MAX_USABLE_MS = 1_000 * SLOWDOWN;
const ROWS = 10_000;
const RUNS = 5;

const PATHS = [
  ...NAVIGATION.map(({ to }) => to.slice(1)),
  'tenants?tab=people',
  'tenants?tab=limits',
  'tenants?tab=settings',
  'models?tab=engines',
  'invoices?tab=month',
  'invoices?tab=prices',
  'invoices?tab=details',
  'usage?tab=reports',
  'batches?tab=files',
  'batches?tab=async',
  'batches?tab=queue',
  'alerts?tab=silences',
  'alerts?tab=rules',
  'alerts?tab=receivers',
  'events?tab=log',
  'events?tab=webhooks',
  'settings?tab=changes',
  'settings?tab=account',
];

describe('pages', { skip: SKIP }, () => {
  before(async () => {
    await createTenant('seen', 'Seen Inc.');
    await createMember('seen', 'developer');
    await admin('POST', '/admin/v1/tenants/seen/keys', {
      name: 'with budget',
      limits: [{ of: 'cost', per: 'month', max: '5' }],
    });
    await send('swift', 'seen');
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`have no serious violation of accessibility, and fit, ${colorScheme}`, () =>
      visiting({ ...DESKTOP, colorScheme, tenant: 'seen' }, async ({ page, open, go }) => {
        const rules = colorScheme === 'dark' ? COLOUR_RULES : undefined;
        await open('overview');
        for (const path of PATHS) {
          await go(path);
          await assertAccessible(page, `${path}, ${colorScheme}`, rules);
          await assertFits(page, path);
        }
        await go('tenants');
        await page.getByRole('button', { name: 'Create a key' }).click();
        await page.getByRole('button', { name: 'Add a limit' }).click();
        await assertAccessible(page, `form of a key, ${colorScheme}`, rules);
        await page.keyboard.press('Escape');
        await page.getByRole('row').filter({ hasText: 'with budget' }).click();
        await sees(page.getByRole('dialog', { name: 'with budget' }));
        await assertAccessible(page, `a key, ${colorScheme}`, rules);
      }));
  }

  test('work on a phone', () =>
    visiting({ ...PHONE, tenant: 'seen' }, async ({ page, open, go }) => {
      await open('overview');
      for (const path of PATHS) {
        await go(path);
        await assertFits(page, path);
      }
      await assertAccessible(page, 'phone');
      await go('overview');
      await page.getByRole('button', { name: 'Menu' }).click();
      await page.getByRole('link', { name: 'Tenants' }).click();
      await sees(page.getByRole('heading', { name: 'Seen Inc.' }));
      await page.getByRole('button', { name: 'Create a key' }).click();
      await assertFits(page, 'form of a key');
    }));

  test('before a session', () =>
    visiting({ email: null }, async ({ page, expects }) => {
      expects('/admin/v1/me');
      for (const path of ['sign-in', 'accept?token=none']) {
        await page.goto(`${theGateway().url}/console/${path}`);
        await page.locator('h1').waitFor();
        await assertAccessible(page, path);
      }
    }));

  test('have the chosen theme, which the next visit keeps', () =>
    visiting({ colorScheme: 'light' }, async ({ page, open }) => {
      await open('overview');
      const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const light = await background();
      await page.getByLabel('Theme').selectOption('dark');
      assert.notEqual(await background(), light);
      await page.reload();
      await page.locator('h1').waitFor();
      assert.notEqual(await background(), light);
      await page.getByLabel('Theme').selectOption('system');
      assert.equal(await background(), light);
    }));

  test('one that does not exist says so', () =>
    visiting({}, async ({ page }) => {
      await page.goto(`${theGateway().url}/console/nowhere`);
      await sees(page.getByText('There is no such page.'));
      await page.getByRole('link', { name: 'Go to the first page' }).click();
      await page.waitForURL('**/console/overview');
    }));
});

describe('speed', { skip: SKIP }, () => {
  test(`the first page is usable within ${MAX_USABLE_MS} ms`, async (context) => {
    let best = Number.POSITIVE_INFINITY;
    // The cache of each context is empty.
    for (let run = 0; run < RUNS && best >= MAX_USABLE_MS; run += 1) {
      await visiting({ isFresh: true }, async ({ page }) => {
        const started = performance.now();
        await page.goto(`${theGateway().url}/console/overview`);
        await page.getByRole('heading', { name: 'Overview' }).waitFor();
        best = Math.min(best, performance.now() - started);
      });
    }
    context.diagnostic(`the first page is usable after ${Math.round(best)} ms`);
    assert.ok(best < MAX_USABLE_MS, `${best} ms`);
  });

  test(`a list of ${ROWS} rows scrolls without a task of ${MAX_TASK_MS} ms`, (context) =>
    visiting({ tenant: 'seen' }, async ({ page, open }) => {
      await page.route(/\/admin\/v1\/tenants\/seen\/keys/, async (route) => {
        const response = await route.fetch();
        const { data } = await response.json();
        const rows = Array.from({ length: ROWS }, (_, at) => ({
          ...data[0],
          id: `key_${at}`,
          name: `key ${at}`,
        }));
        await route.fulfill({ response, json: { data: rows } });
      });
      await open('tenants');
      const table = page.getByRole('table', { name: 'API keys' });
      const scrolled = () =>
        table.evaluate(async (element) => {
          const tasks: number[] = [];
          const observer = new PerformanceObserver((list) => {
            for (const { duration } of list.getEntries()) tasks.push(duration);
          });
          observer.observe({ type: 'longtask' });
          const frame = () => new Promise((done) => requestAnimationFrame(done));
          const end = element.scrollHeight - element.clientHeight;
          for (let step = 0; step <= 40; step += 1) {
            element.scrollTop = (end * step) / 40;
            await frame();
          }
          await frame();
          observer.disconnect();
          return Math.max(0, ...tasks);
        });
      // A task also waits for processes that share the machine's cores: the best of a few runs is the page's own.
      let longest = await scrolled();
      for (let run = 1; run < RUNS && longest >= MAX_TASK_MS; run += 1) {
        longest = Math.min(longest, await scrolled());
      }
      await sees(page.getByText(`key ${ROWS - 1}`, { exact: true }));
      assert.ok((await table.getByRole('row').count()) < 100, 'rows out of sight are rendered');
      context.diagnostic(`the longest task while scrolling takes ${Math.round(longest)} ms`);
      assert.ok(longest < MAX_TASK_MS, `${longest} ms`);
    }));
});
