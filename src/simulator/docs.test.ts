import { describe, expect, test } from 'bun:test';
import { FAULTS } from './fault-names.ts';
import { MODELS } from './models.ts';
import { OPTIONS } from './options.ts';

const page = await Bun.file(`${import.meta.dir}/../../docs/simulator.md`).text();

describe('docs/simulator.md', () => {
  test.each(Object.entries(OPTIONS))(
    'describes the option %s',
    (name, { allowed, fallbackText, description }) => {
      const values = name === 'fault' ? 'a fault below' : allowed;
      expect(page).toContain(`| \`${name}\` | ${values} | ${fallbackText} | ${description} |`);
    },
  );

  test.each(Object.entries(FAULTS))('describes the fault %s', (name, description) => {
    expect(page).toContain(`| \`${name}\` | ${description} |`);
  });

  test.each(Object.entries(MODELS))('describes the model %s', (name, description) => {
    expect(page).toContain(`| \`${name}\` | ${description} |`);
  });
});
