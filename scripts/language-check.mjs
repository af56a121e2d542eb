// `npm run check:language`: prints every retired identifier and phrase with its replacement; exit code 1 if there is one.
// Paths as arguments check the phrases below these paths instead of `phraseRoots`.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkLanguage } from './language.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const rules = JSON.parse(readFileSync(new URL('language.json', import.meta.url), 'utf8'));
const roots = process.argv.slice(2);

const { files, findings } = checkLanguage(root, rules, roots.length > 0 ? roots : rules.phraseRoots);
for (const { file, line, found, use } of findings) {
  console.log(`${file}:${line}  "${found}" -> ${use}`);
}
console.log(`${files} files checked, ${findings.length} retired names and phrases`);
process.exit(findings.length === 0 ? 0 : 1);
