import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Module-level state that can change: variables, and containers that begin empty and are not typed read-only. A cache needs
 * an owner and a bound: clients must not be able to fill it for the lifetime of the process.
 */
const MUTABLE = [
  /^(?:export )?(?:let|var) /,
  /^(?:export )?const \w+(?:: (?!Readonly|readonly)[^=]+)? = new (?:Map|Set|WeakMap|WeakSet)(?:<.*>)?\(\)/,
  /^(?:export )?const \w+: (?!readonly |Readonly)[^=]+ = (?:\[\]|\{\});/,
];

/** Lines that may stay, with the reason. */
const ALLOWED: Readonly<Record<string, string>> = {};

test('no module has state that changes', () => {
  const files = readdirSync(import.meta.dir, { recursive: true, encoding: 'utf8' }).filter(
    (file) => /\.ts$/.test(file) && !/\.(?:test|d)\.ts$/.test(file),
  );
  expect(files.length).toBeGreaterThan(300);
  const found = files.flatMap((file) =>
    readFileSync(join(import.meta.dir, file), 'utf8')
      .split('\n')
      .filter((line) => MUTABLE.some((pattern) => pattern.test(line)))
      .map((line) => `${file}: ${line}`),
  );
  expect(found.filter((line) => ALLOWED[line] === undefined)).toEqual([]);
});
