// `node --import ./scripts/typescript.mjs FILE.ts` runs TypeScript in Node, which Playwright needs.
import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { transform } from '@swc/core';

if (isMainThread) register(import.meta.url);

/** A hook of Node's module loader: https://nodejs.org/api/module.html#loadurl-context-nextload */
export async function load(url, context, nextLoad) {
  const { protocol, pathname } = new URL(url);
  if (protocol !== 'file:' || !/\.tsx?$/.test(pathname)) return nextLoad(url, context);
  const text = await readFile(new URL(url), 'utf8');
  const { code } = await transform(text, {
    filename: pathname,
    sourceMaps: 'inline',
    jsc: {
      parser: { syntax: 'typescript', tsx: pathname.endsWith('x') },
      target: 'es2022',
      experimental: { keepImportAttributes: true },
    },
  });
  return { format: 'module', source: code, shortCircuit: true };
}
