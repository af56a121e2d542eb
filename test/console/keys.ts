import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';

/** Presses of Tab that a page may need until a control has the focus. */
const MAX_TABS = 90;
const MAX_WAIT_MS = 10_000;

interface Focused {
  readonly name: string;
  readonly role: string;
  /** An outline or another mark is drawn around it. */
  readonly isMarked: boolean;
}

/** What has the focus, named as readers name it. */
const focusedOn = (page: Page): Promise<Focused> =>
  page.evaluate(() => {
    const element = document.activeElement;
    const isField =
      element instanceof HTMLInputElement ||
      element instanceof HTMLSelectElement ||
      element instanceof HTMLTextAreaElement;
    const named = isField ? element.labels?.[0]?.cloneNode(true) : element?.cloneNode(true);
    // A label around a list is not named after what can be chosen.
    if (named instanceof Element && isField)
      for (const inner of named.querySelectorAll('select')) inner.remove();
    const label = named?.textContent ?? '';
    const style = element ? getComputedStyle(element) : undefined;
    return {
      name: (element?.getAttribute('aria-label') ?? label).replaceAll(/\s+/g, ' ').trim(),
      role: element?.getAttribute('role') ?? element?.tagName.toLowerCase() ?? '',
      isMarked:
        style !== undefined && style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) > 0,
    };
  });

/** A person with a keyboard alone. */
export class Keys {
  constructor(private readonly page: Page) {}

  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /** Types over what a field has. */
  async type(text: string): Promise<void> {
    await this.press('ControlOrMeta+a');
    await this.page.keyboard.type(text);
  }

  /**
   * Presses Tab until a control has the focus.
   * @param name as readers name it: the whole name, or a pattern
   * @param role a tag such as `input`, or the role of the element; any when absent
   * @throws AssertionError where it is not reached, or the focus cannot be seen
   */
  async to(name: string | RegExp, role?: string): Promise<void> {
    const passed: string[] = [];
    for (let presses = 0; presses <= MAX_TABS; presses += 1) {
      const found = await focusedOn(this.page);
      const isNamed = typeof name === 'string' ? found.name === name : name.test(found.name);
      if (isNamed && (role === undefined || role === found.role)) {
        assert.ok(found.isMarked, `the focus on ${found.role} ${found.name} cannot be seen`);
        return;
      }
      passed.push(`${found.role} ${found.name.slice(0, 40)}`);
      await this.press('Tab');
    }
    assert.fail(`Tab does not reach ${name}; it passes ${passed.join(' | ')}`);
  }

  /** Activates a control. */
  async use(name: string | RegExp, role?: string): Promise<void> {
    await this.to(name, role);
    await this.press('Enter');
  }

  /** Types into a field. */
  async fill(name: string | RegExp, text: string): Promise<void> {
    await this.to(name);
    await this.type(text);
  }

  /** Chooses from a list by the beginning of its text. */
  async choose(name: string | RegExp, text: string): Promise<void> {
    await this.to(name, 'select');
    await this.page.keyboard.type(text);
  }

  /** Resolves when the focus has returned to a control: a closed dialog gives it back in a later turn. */
  async isBackOn(name: string | RegExp, role?: string): Promise<void> {
    const deadline = performance.now() + MAX_WAIT_MS;
    for (;;) {
      const found = await focusedOn(this.page);
      const isNamed = typeof name === 'string' ? found.name === name : name.test(found.name);
      if (isNamed && (role === undefined || role === found.role)) return;
      assert.ok(performance.now() < deadline, `the focus is on ${found.role} ${found.name.slice(0, 80)}`);
      await this.page.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
    }
  }

  focused(): Promise<Focused> {
    return focusedOn(this.page);
  }
}
