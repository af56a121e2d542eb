import { z } from 'zod';
import type { ProviderCatalog } from './catalog.ts';
import {
  boolean,
  duration,
  integer,
  list,
  listOfMany,
  nullable,
  providerId,
  secret,
  section,
  text,
} from './fields.ts';

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Engines on demand. */
export const engines = (catalog: ProviderCatalog) =>
  section({
    max_loaded: nullable(integer(1, 1_000)).describe('Engines loaded at the same time; null for all.'),
    idle_timeout: nullable(duration(1))
      .prefault('15m')
      .describe('How long an idle engine stays loaded; null for ever.'),
    swap_after: duration(0)
      .prefault('30s')
      .describe('How long an engine in use stays loaded while another one waits to be loaded.'),
    health: section({
      interval: duration(1).prefault('5s').describe('The interval of health checks of a loaded engine.'),
      failures: integer(1)
        .prefault(3)
        .describe('Consecutive failed checks, of at most 2 s each, before an engine counts as hung.'),
    }).describe(
      'Health checks of loaded engines. A hung one gets SIGTERM, SIGKILL 2 s later, and is started again if it is needed.',
    ),
    commands: listOfMany(() => command(catalog)).describe(
      'The engines, each with the command that starts it.',
    ),
  });

const command = (catalog: ProviderCatalog) =>
  z.strictObject({
    id: providerId().describe('The provider id of the engine, for targets.'),
    command: z
      .array(text(4_000))
      .min(1)
      .describe('The program and its arguments. `{port}` is replaced with the port to listen on.'),
    engine: nullable(z.enum(catalog.engines)).describe(
      'The engine software, which sets the paths of health checks and load.',
    ),
    gpus: list(
      z.preprocess((value) => (typeof value === 'number' ? String(value) : value), text(100)),
    ).describe('GPUs by index or UUID, passed as `CUDA_VISIBLE_DEVICES` and `HIP_VISIBLE_DEVICES`.'),
    env: z
      .preprocess(
        (value) => value ?? {},
        z.record(z.string().regex(VARIABLE, 'is not a valid environment variable name'), z.coerce.string()),
      )
      .prefault({})
      .describe(
        "Environment variables, in addition to those of the gateway without Weir's settings and `*_API_KEY`.",
      ),
    cwd: nullable(text(4_000)).describe('The working directory.'),
    port: nullable(integer(1, 65_535)).describe('Its port on 127.0.0.1; null takes a free one.'),
    api_key: nullable(secret()).describe('The API key that it requires, if any.'),
    models: list(text(300)).describe('Models that it serves, offered as `id/model`.'),
    preload: boolean()
      .prefault(false)
      .describe('Loads it at the start and keeps it loaded while `max_loaded` permits.'),
    start_timeout: duration(1).prefault('10m').describe('How long it may take to pass its health check.'),
    stop_timeout: duration(0)
      .prefault('15s')
      .describe('How long it may take to exit after SIGTERM before it gets SIGKILL.'),
  });
