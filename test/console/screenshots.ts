// `npm run screenshots`: pictures of the console with the data of `weir demo`, for docs/images. Look at them before a commit.
// `npm run screenshots -- NAME,NAME`: those whose names begin so. `npm run screenshots -- --review FOLDER [NAME]`: each in both
// themes and as wide as a phone, to be looked at.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrowserContextOptions } from 'playwright-core';
import { setUp } from '../../scripts/setup.mjs';
import { freePort } from '../support/free-port.ts';
import { cleanEnvironment } from '../support/gateway.ts';
import { DESKTOP, launch, PHONE, type Watched, watch } from './browser.ts';
import { withPalette } from './png.ts';

const ADMIN_KEY = 'wr-admin-screenshots-0123456789abcdef';
const MAX_BYTES = 200_000;
const PATIENCE_MS = 60_000;
const REVIEW_PATIENCE_MS = 20_000;
const root = fileURLToPath(new URL('../..', import.meta.url));
const given = process.argv.slice(2);
const isReview = given[0] === '--review';
const folder = isReview ? (given[1] ?? '') : join(root, 'docs/images');
const only = (given[isReview ? 2 : 0] ?? '').split(',');

interface Shot {
  readonly name: string;
  readonly path: string;
  readonly tenant?: string;
  readonly options?: BrowserContextOptions;
  /** What is done before the picture. */
  readonly act?: (watched: Watched) => Promise<void>;
}

/** Guardrails that are tried. */
const GUARDRAILS =
  '[{"id": "orders", "kind": "rules", "action": "redact", "rules": {"words": ["order"]}}, {"id": "attacks", "kind": "injection", "action": "block"}]';

const DARK = { ...DESKTOP, colorScheme: 'dark' as const };
/** Requests of the last seconds are shown. */
const live = async ({ page }: Watched) => {
  await page.getByText('failing').first().waitFor();
  await page.getByText(/[1-9][\d,.]* tokens a second/).waitFor();
};
const SHOTS: readonly Shot[] = [
  { name: 'overview', path: 'overview?range=7d', act: live },
  { name: 'overview-dark', path: 'overview?range=7d', options: DARK, act: live },
  { name: 'overview-phone', path: 'overview?range=7d', tenant: 'acme', options: PHONE },
  {
    ...{ name: 'playground', path: 'playground?models=assistant,assistant-mini', tenant: 'acme' },
    act: async ({ page }) => {
      await page.getByLabel('Message').fill('Compare the two routes from Basel to Rotterdam.');
      await page.keyboard.press('Control+Enter');
      for (const name of ['assistant', 'assistant-mini']) {
        await page.getByRole('region', { name, exact: true }).getByText('cost').waitFor();
      }
    },
  },
  {
    ...{ name: 'prompts', path: 'playground?models=assistant', tenant: 'acme' },
    act: async ({ page, settled }) => {
      await page.getByRole('button', { name: 'Prompts' }).click();
      await page.getByRole('button', { name: 'Load Refund reply' }).waitFor();
      await settled();
    },
  },
  { name: 'requests', path: 'requests?range=24h' },
  {
    ...{ name: 'request', path: 'requests?range=24h', tenant: 'acme' },
    act: async ({ page, settled }) => {
      await page
        .getByRole('row')
        .filter({ hasText: /200\s*assistant/ })
        .first()
        .click();
      await page.getByRole('dialog').waitFor();
      await settled();
    },
  },
  {
    ...{ name: 'batches', path: 'batches', tenant: 'acme' },
    act: async ({ page }) => void (await page.getByText('completed').nth(1).waitFor()),
  },
  {
    ...{ name: 'batch', path: 'batches', tenant: 'acme' },
    act: async ({ page, settled }) => {
      await page.getByRole('row').filter({ hasText: '3 of 3' }).click();
      await page.getByRole('table', { name: 'Results' }).waitFor();
      await settled();
    },
  },
  {
    ...{ name: 'batch-errors', path: 'batches', tenant: 'acme' },
    act: async ({ page, settled }) => {
      const state = page.getByText(/^\W*failed$/);
      await page.getByRole('row').filter({ has: state }).click();
      await page.getByText('nothing ran').waitFor();
      await settled();
    },
  },
  { name: 'files', path: 'batches?tab=files', tenant: 'acme' },
  {
    ...{ name: 'async', path: 'batches?tab=async', tenant: 'acme' },
    act: async ({ page, settled }) => {
      await page.getByRole('row').filter({ hasText: 'succeeded' }).first().click();
      await page.getByRole('heading', { name: 'Content' }).waitFor();
      await settled();
    },
  },
  { name: 'usage', path: 'usage?range=7d&by=model' },
  { name: 'usage-dark', path: 'usage?range=7d&by=key', tenant: 'acme', options: DARK },
  { name: 'models', path: 'models' },
  { name: 'targets', path: 'models?tab=targets' },
  { name: 'tenants', path: 'tenants' },
  { name: 'keys', path: 'tenants', tenant: 'acme' },
  { name: 'keys-phone', path: 'tenants', tenant: 'acme', options: PHONE },
  { name: 'limits', path: 'tenants?tab=limits', tenant: 'northwind' },
  { name: 'people', path: 'tenants?tab=people', tenant: 'acme' },
  { name: 'policies', path: 'policies?range=7d' },
  {
    ...{ name: 'guardrails', path: 'policies?tab=guardrails', tenant: 'acme' },
    act: async ({ page, settled }) => {
      await page.getByLabel('Check', { exact: true }).selectOption('logged');
      await page.getByLabel('Guardrails (JSON)').fill(GUARDRAILS);
      await page.getByRole('button', { name: 'Try' }).click();
      await page.getByText(/would have been blocked/).waitFor();
      await settled();
    },
  },
  {
    ...{ name: 'cache', path: 'policies?tab=cache' },
    act: async ({ page }) => void (await page.getByText('would have saved').first().waitFor()),
  },
  {
    ...{ name: 'month', path: 'usage?range=7d&by=model', tenant: 'acme' },
    act: async ({ page, settled }) => {
      await page.getByRole('table', { name: 'Budgets and quotas' }).getByRole('row').nth(1).click();
      await settled();
      await page.getByRole('heading', { name: 'This month' }).evaluate((one) => one.scrollIntoView());
    },
  },
  {
    ...{ name: 'limit-preview', path: 'tenants?tab=limits', tenant: 'acme' },
    act: async ({ page, settled }) => {
      await page.getByLabel('At most').fill('80');
      await page.getByRole('button', { name: 'What would they have done last week?' }).click();
      await page
        .getByText(/would have rejected/)
        .first()
        .waitFor();
      await settled();
    },
  },
  { name: 'invoices', path: 'invoices' },
  {
    ...{ name: 'invoice-details', path: 'invoices', tenant: 'acme' },
    act: async ({ page, settled }) => {
      await page.getByRole('row').filter({ hasText: 'INV-' }).click();
      await page.getByRole('dialog').waitFor();
      await settled();
    },
  },
  { name: 'billing-details', path: 'invoices?tab=details', tenant: 'acme' },
  { name: 'prices', path: 'invoices?tab=prices' },
  { name: 'costs', path: 'invoices?tab=costs' },
  { name: 'alerts', path: 'alerts?tab=rules' },
  { name: 'events', path: 'events', tenant: 'acme' },
  { name: 'event-log', path: 'events?tab=log', tenant: 'acme' },
  {
    ...{ name: 'webhooks', path: 'events?tab=webhooks', tenant: 'acme' },
    act: async ({ page }) => {
      await page.getByText('receives nothing').waitFor();
      await page.getByText('failing').waitFor();
    },
  },
  {
    ...{ name: 'webhook', path: 'events?tab=webhooks', tenant: 'acme' },
    act: async ({ page, settled }) => {
      await page.getByRole('row').filter({ hasText: 'directory' }).click();
      await page.getByText('retrying').first().waitFor();
      await page.getByRole('heading', { name: 'Deliveries' }).evaluate((one) => one.scrollIntoView());
      await settled();
    },
  },
  {
    ...{ name: 'events-verified', path: 'events' },
    act: async ({ page, settled }) => {
      await page.getByRole('button', { name: 'Verify' }).click();
      await page.getByText(/verified to entry/).waitFor();
      await settled();
    },
  },
  { name: 'settings', path: 'settings?source=file' },
  {
    ...{ name: 'changes', path: 'settings?tab=changes' },
    act: async ({ page }) => {
      await page.locator('summary', { hasText: 'changed model' }).click();
      await page.getByRole('button', { name: 'Take it back' }).click();
      await page.getByRole('dialog').getByText('requests in the last 24 hours').waitFor();
    },
  },
  { name: 'welcome', path: 'welcome' },
];

const inEachForm = (shot: Shot): Shot[] => [
  shot,
  { ...shot, name: `${shot.name}-dark`, options: DARK },
  { ...shot, name: `${shot.name}-phone`, options: PHONE },
];

const home = mkdtempSync(join(tmpdir(), 'weir-screenshots-'));
const [port, metricsPort] = [await freePort(), await freePort()];
const child = spawn(
  setUp({ withDev: true }),
  ['--no-env-file', join(root, 'src/main.ts'), 'demo', '--port', String(port)],
  {
    cwd: home,
    env: {
      ...cleanEnvironment(home),
      ...{ WEIR_ADMIN_KEY: ADMIN_KEY, METRICS_PORT: String(metricsPort), LOG_LEVEL: 'error' },
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
try {
  const url = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (part: string) => {
      text += part;
      const found = /Console +(\S+)\/console/.exec(text);
      if (found?.[1]) resolve(found[1]);
    });
    child.once('close', () => reject(new Error(`the demo ended:\n${text}`)));
  });
  mkdirSync(folder, { recursive: true });
  const browser = await launch();
  const chosen = SHOTS.filter(({ name }) => only.some((one) => name.startsWith(one)));
  const shots = isReview ? chosen.filter(({ options }) => !options).flatMap(inEachForm) : chosen;
  for (const { name, path, tenant, options, act } of shots) {
    const context = await browser.newContext({ ...DESKTOP, ...options, timezoneId: 'UTC', locale: 'en-GB' });
    // Pictures are made on busy machines, too.
    const watched = await watch(context, url, isReview ? REVIEW_PATIENCE_MS : PATIENCE_MS);
    const { page } = watched;
    await context.request.post(`${url}/v1/auth/sign-in`, { data: { key: ADMIN_KEY } });
    if (tenant) await context.addInitScript((id) => localStorage.setItem('weir-tenant', id), tenant);
    try {
      await watched.open(path);
      await act?.(watched);
    } catch (error) {
      // A picture of what is there shows why.
      if (!isReview) throw error;
      console.error(`${name}: ${String(error).slice(0, 300)}`);
    }
    const file = join(folder, `${name}.png`);
    const png = await page.screenshot({ animations: 'disabled', caret: 'hide' });
    writeFileSync(file, isReview ? png : await withPalette(browser, png));
    if (!isReview) watched.assertNoFault();
    await context.close();
    const { size } = statSync(file);
    console.log(`${name}.png, ${Math.round(size / 1_000)} KB`);
    if (size > MAX_BYTES && !isReview) throw new Error(`${name}.png is larger than ${MAX_BYTES} bytes`);
  }
  await browser.close();
} finally {
  child.kill('SIGTERM');
  rmSync(home, { recursive: true, force: true });
}
process.exit(0);
