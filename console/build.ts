/**
 * Builds the console into `console/dist`: `index.html`, and `assets` whose names contain a hash of their content, each beside
 * its gzip where that is smaller. `bun console/build.ts [--dev]`; `--dev` does not minify.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'bun';
import tailwind from 'bun-plugin-tailwind';

const root = fileURLToPath(new URL('.', import.meta.url));
const dist = join(root, 'dist');
const next = join(root, 'dist.new');
const isDev = process.argv.includes('--dev');

const result = await build({
  entrypoints: [join(root, 'src/main.tsx')],
  target: 'browser',
  format: 'esm',
  splitting: true,
  minify: !isDev,
  publicPath: '/console/assets/',
  naming: { entry: '[name]-[hash].[ext]', chunk: 'chunk-[hash].[ext]', asset: '[name]-[hash].[ext]' },
  define: { 'process.env.NODE_ENV': JSON.stringify(isDev ? 'development' : 'production') },
  plugins: [tailwind],
});

await rm(next, { recursive: true, force: true });
await mkdir(join(next, 'assets'), { recursive: true });
const names: string[] = [];
const write = async (name: string, bytes: Uint8Array) => {
  await writeFile(join(next, 'assets', name), bytes);
  const zipped = gzipSync(bytes, { level: 9 });
  if (zipped.length < bytes.length * 0.9) await writeFile(join(next, 'assets', `${name}.gz`), zipped);
  names.push(name);
};
for (const output of result.outputs) {
  const name = output.path.slice(output.path.lastIndexOf('/') + 1);
  const bytes = new Uint8Array(await output.arrayBuffer());
  if (!name.endsWith('.css')) {
    await write(name, bytes);
    continue;
  }
  // The bundler puts fonts into the style sheet, where the policy of the page does not allow them.
  let css = new TextDecoder().decode(bytes);
  for (const [url, data = ''] of css.matchAll(/data:font\/woff2;base64,([A-Za-z0-9+/=]+)/g)) {
    const font = Buffer.from(data, 'base64');
    const fontName = `font-${createHash('sha256').update(font).digest('hex').slice(0, 8)}.woff2`;
    await write(fontName, font);
    css = css.replace(url, `/console/assets/${fontName}`);
  }
  await write(name, new TextEncoder().encode(css));
}
const named = (pattern: RegExp) => {
  const name = names.find((one) => pattern.test(one));
  if (name === undefined) throw new Error(`The build has no ${pattern}.`);
  return `/console/assets/${name}`;
};
const template = await readFile(join(root, 'index.html'), 'utf8');
await writeFile(
  join(next, 'index.html'),
  template.replace('{{script}}', named(/^main-.*\.js$/)).replace('{{style}}', named(/^main-.*\.css$/)),
);
await rm(dist, { recursive: true, force: true });
await rename(next, dist);
