// Bundles the program into the folder of its argument: it starts in half the time of its thousand modules, with less memory.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'src');
const out = process.argv[2] ?? join(root, 'dist/program');

/** Threads have entries of their own. */
const THREAD = /new URL\('\.\/([\w-]+-worker)\.ts', import\.meta\.url\)/g;
/** Other files that a module reads by a relative path, such as Lua scripts, stay in the source tree. */
const OWN_URL = /\bimport\.meta\.url\b/g;

const threads = [...new Bun.Glob('**/*-worker.ts').scanSync({ cwd: source })].map((path) =>
  join(source, path),
);
const result = await Bun.build({
  entrypoints: [join(source, 'main.ts'), ...threads],
  outdir: out,
  target: 'bun',
  splitting: true,
  sourcemap: 'linked',
  minify: { whitespace: true, syntax: true },
  naming: { entry: '[name].[ext]', chunk: '[name]-[hash].[ext]' },
  plugins: [
    {
      name: 'urls of modules',
      setup(build) {
        build.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
          const here = relative(out, path).replaceAll('\\', '/');
          const contents = readFileSync(path, 'utf8')
            .replace(THREAD, "new URL('./$1.js', import.meta['url'])")
            .replace(OWN_URL, `new URL(${JSON.stringify(here)}, import.meta['url']).href`);
          return { contents, loader: 'ts' };
        });
      },
    },
  ],
});
for (const message of result.logs) console.error(message);
