import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { buildGuide } from '../../scripts/guide.mjs';
import { assertAccessible, assertFits, COLOUR_RULES, DESKTOP, PHONE, sees } from './browser.ts';
import { SKIP, theGateway, visiting } from './fixture.ts';

/** The first one, and one with tables, code and pictures. */
const PATHS = ['', '/console'];

describe('the guide', { skip: SKIP }, () => {
  before(() => assert.ok(buildGuide(), 'the guide could not be built'));

  for (const [name, options] of [
    ['light', { ...DESKTOP, colorScheme: 'light' }],
    ['dark', { ...DESKTOP, colorScheme: 'dark' }],
    ['on a phone', { ...PHONE, colorScheme: 'light' }],
  ] as const) {
    test(`is accessible and as wide as the window, ${name}`, () =>
      visiting({ ...options, email: null }, async ({ page }) => {
        for (const path of PATHS) {
          await page.goto(`${theGateway().url}/docs/guide${path}`);
          if (name !== 'on a phone') {
            await assertAccessible(page, `guide${path}`, name === 'light' ? undefined : COLOUR_RULES);
          }
          await assertFits(page, `guide${path}`);
        }
      }));
  }

  test('is searched and read with the keyboard alone', () =>
    visiting({ email: null }, async ({ page }) => {
      await page.goto(`${theGateway().url}/docs/guide`);
      await page.keyboard.press('/');
      await page.keyboard.type('budget');
      await sees(page.locator('#results a'));
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/docs\/guide\/[a-z-]+/);
      assert.match((await page.locator('main').innerText()).toLowerCase(), /budget/);
      await page.keyboard.press('/');
      await page.keyboard.type('zzqqxx');
      await sees(page.getByText('Nothing about'));
    }));
});
