import { z } from 'zod';
import { boolean, duration, list, nullable, size, text } from './fields.ts';

const ID = /^[a-z][a-z0-9-]{0,63}$/;
const ID_MESSAGE = 'expected lower-case letters, digits and "-", beginning with a letter';
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,199}$/;

/** An item of `plugins`. */
export const plugin = () =>
  z
    .strictObject({
      module: text(1_000).describe(
        'The module of the plugin: a path, relative to the folder of this file, or the name of an installed npm package.',
      ),
      id: nullable(z.string().regex(ID, ID_MESSAGE)).describe(
        'Its name in logs, metrics, `guardrails` and `strategy`; null for the name of the module.',
      ),
      enabled: boolean().prefault(true).describe('Whether the plugin is loaded.'),
      config: z
        .record(z.string(), z.unknown())
        .meta({ 'x-secret': true })
        .prefault({})
        .describe('The settings of the plugin, checked by its own schema.'),
      isolation: z
        .enum(['process', 'none'])
        .prefault('process')
        .describe(
          '`process`: a process of its own, with a limit of memory, without the environment of the gateway. `none`: inside the gateway, which it can stop; for trusted code.',
        ),
      timeout: duration(1).prefault('1s').describe('How long one call may take.'),
      load_timeout: duration(1).prefault('10s').describe('How long the start of the plugin may take.'),
      memory_limit: size()
        .prefault('256MB')
        .describe(
          'The most memory of its process, which is killed above it. A process without work takes about 50 MB.',
        ),
      fail: z
        .enum(['open', 'closed'])
        .prefault('open')
        .describe(
          'The effect of a call that fails: `open` goes on without it, `closed` ends the request with 503 `plugin_failed`. Guardrails have `fail` of their own.',
        ),
      env: list(z.string().regex(VARIABLE, 'expected the name of an environment variable')).describe(
        'Environment variables that its process gets, beside `PATH`, `HOME`, `TMPDIR`, `TZ`, `LANG` and `LC_ALL`.',
      ),
    })
    .transform((value, context) => {
      const id = value.id ?? pluginIdOf(value.module);
      if (ID.test(id)) return { ...value, id };
      context.addIssue({
        code: 'custom',
        path: ['id'],
        message: `is required, because the name of the module, ${JSON.stringify(id)}, cannot be one`,
      });
      return z.NEVER;
    });

/** The id of a plugin that is configured without one: `word-replacement` of `./plugins/word-replacement.ts` or `@acme/word-replacement`. */
export function pluginIdOf(module: string): string {
  const parts = module
    .split(/[\\/]/)
    .map((part) => part.replace(/\.[cm]?[jt]sx?$/, ''))
    .filter((part) => part !== '' && part !== '.' && part !== '..');
  const last = parts.at(-1) ?? '';
  return (last === 'index' ? (parts.at(-2) ?? last) : last).toLowerCase().replaceAll('_', '-');
}
