import assert from 'node:assert/strict';
import axe from 'axe-core';
import {
  type Browser,
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
  type Request,
} from 'playwright-core';
import { buildConsole } from '../../scripts/console.mjs';
import { setUp } from '../../scripts/setup.mjs';
import { findServices } from '../../scripts/test-services.mjs';

/** A browser that looks at the console, and what no page of it may do. */

/** Path of Chromium; undefined where it is missing, and its tests skip themselves. */
export const chromiumPath: string | undefined = findServices().chromium;

/** For conditions that do not come true. */
const TIMEOUT_MS = 10_000;

export const DESKTOP = { viewport: { width: 1440, height: 900 } };
export const PHONE = { viewport: { width: 390, height: 844 } };

export async function launch(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error('Chromium is missing');
  if (!buildConsole(setUp({ withDev: true }))) throw new Error('the console could not be built');
  // Root has no sandbox; shared memory of containers is too small for the renderer.
  return chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** A response or failure that a test causes on purpose: part of its URL. */
export type Expected = string | RegExp;

export interface Watched {
  readonly page: Page;
  readonly context: BrowserContext;
  /** From now on, failures of such requests are no faults, nor are they to another origin. */
  expects(url: Expected): void;
  /** Opens a page of the console and resolves when it shows what it has loaded. */
  open(path: string): Promise<void>;
  /** Goes to another page as its links do, without loading the console again. */
  go(path: string): Promise<void>;
  /** Resolves when no request is in flight and nothing is loading. */
  settled(): Promise<void>;
  /** @throws AssertionError that lists console errors, failed requests, violations of the policy and requests to other origins */
  assertNoFault(): void;
}

/**
 * Opens a page whose faults are collected from its first request on.
 * @param timeoutMs milliseconds until a condition that does not come true is an error
 */
export async function watch(
  context: BrowserContext,
  origin: string,
  timeoutMs = TIMEOUT_MS,
): Promise<Watched> {
  context.setDefaultTimeout(timeoutMs);
  const page = await context.newPage();
  const faults: string[] = [];
  const expected: Expected[] = [];
  const isExpected = (url: string) =>
    expected.some((one) => (typeof one === 'string' ? url.includes(one) : one.test(url)));
  page.on('console', (message) => {
    const isFault = message.type() === 'error' || message.type() === 'warning';
    if (isFault && !isExpected(message.location().url)) faults.push(`console: ${message.text()}`);
  });
  // The live feed stays open.
  const inFlight = new Set<Request>();
  page.on('request', (request) => {
    if (!/\/admin\/v1\/(live|.*events\/stream)/.test(request.url())) inFlight.add(request);
  });
  page.on('requestfinished', (request) => inFlight.delete(request));
  page.on('requestfailed', (request) => inFlight.delete(request));
  page.on('pageerror', (error) => faults.push(`not caught: ${error.message}`));
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText ?? '';
    // The page left, or stopped a request that it no longer needs.
    if (why === 'net::ERR_ABORTED' || isExpected(request.url())) return;
    faults.push(`failed: ${request.method()} ${request.url()} ${why}`);
  });
  page.on('request', (request) => {
    const url = request.url();
    if (/^(data|blob):/.test(url) || url.startsWith(`${origin}/`) || isExpected(url)) return;
    faults.push(`another origin: ${url}`);
  });
  page.on('response', (response) => {
    if (response.status() < 400 || isExpected(response.url())) return;
    faults.push(`${response.status()}: ${response.request().method()} ${response.url()}`);
  });
  const settled = async () => {
    const deadline = performance.now() + timeoutMs;
    await page.locator('h1').first().waitFor();
    while (inFlight.size > 0 || (await page.getByLabel('Loading', { exact: true }).count()) > 0) {
      const urls = [...inFlight].map((request) => request.url());
      assert.ok(performance.now() < deadline, `${page.url()} still loads: ${urls.join(' ')}`);
      // Two frames: React shows what has come, and effects begin what follows.
      await page.evaluate(
        () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
      );
    }
  };
  return {
    page,
    context,
    settled,
    open: async (path) => {
      await page.goto(`${origin}/console/${path}`);
      await settled();
    },
    go: async (path) => {
      // The router follows the history of the browser.
      await page.evaluate((to) => history.pushState(null, '', to), `/console/${path}`);
      await settled();
    },
    expects: (url) => void expected.push(url),
    assertNoFault: () => assert.deepEqual(faults, []),
  };
}

/** @throws TimeoutError when it does not appear */
export const sees = (locator: Locator): Promise<void> => locator.first().waitFor({ state: 'visible' });
export const seesNot = (locator: Locator): Promise<void> => locator.first().waitFor({ state: 'hidden' });

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly help: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}

const ALL_RULES = '["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]';
/** The rules whose result depends on the theme. */
export const COLOUR_RULES = '{ type: "rule", values: ["color-contrast"] }';

/** @throws AssertionError that lists what stops people with disabilities: axe's serious and critical violations */
export async function assertAccessible(page: Page, name: string, rules = ALL_RULES): Promise<void> {
  // The policy of the page allows no inline script: it is evaluated by the debugger.
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(axe.source);
  const result: AxeResult = await page.evaluate(`axe.run(document, { runOnly: ${rules} })`);
  const serious = result.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => ({
      id,
      help,
      where: nodes
        .slice(0, 3)
        .map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary ?? ''}`),
    }));
  assert.deepEqual(serious, [], name);
}

/** @throws AssertionError when a page is wider than its window, so that phones scroll sideways */
export async function assertFits(page: Page, name: string): Promise<void> {
  const [wide, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  assert.ok((wide ?? 0) <= (window ?? 0), `${name} is ${wide} px wide in a window of ${window} px`);
}
