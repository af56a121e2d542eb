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

/** Engines that are started when they are needed. */
export const engines = (catalog: ProviderCatalog) =>
  section({
    max_loaded: nullable(integer(1, 1_000)).describe(
      'How many may be loaded at the same time; null for all of them.',
    ),
    idle_timeout: nullable(duration(1))
      .prefault('15m')
      .describe('How long one that nobody uses stays loaded; null for ever.'),
    swap_after: duration(0)
      .prefault('30s')
      .describe('How long one that is in use stays loaded when another is wanted in its place.'),
    commands: listOfMany(() => command(catalog)).describe(
      'The engines, each with the command that starts it.',
    ),
  });

const command = (catalog: ProviderCatalog) =>
  z.strictObject({
    id: providerId().describe('The id of the provider that it is: what targets name.'),
    command: z
      .array(text(4_000))
      .min(1)
      .describe('The program and its arguments. `{port}` stands for the port that it is to listen on.'),
    engine: nullable(z.enum(catalog.engines)).describe(
      'What kind of engine it is, which tells where its health and its load are.',
    ),
    gpus: list(
      z.preprocess((value) => (typeof value === 'number' ? String(value) : value), text(100)),
    ).describe(
      'GPUs that it may see, by index or UUID: set as `CUDA_VISIBLE_DEVICES` and `HIP_VISIBLE_DEVICES`.',
    ),
    env: z
      .preprocess(
        (value) => value ?? {},
        z.record(z.string().regex(VARIABLE, 'not a name of an environment variable'), z.coerce.string()),
      )
      .prefault({})
      .describe(
        "More environment variables. It has those of the gateway, without Weir's settings and without `*_API_KEY`.",
      ),
    cwd: nullable(text(4_000)).describe('The folder to start it in.'),
    port: nullable(integer(1, 65_535)).describe('Its port at 127.0.0.1; a free one when null.'),
    api_key: nullable(secret()).describe('The API key that it asks for, if it does.'),
    models: list(text(300)).describe('Models that it serves, to be offered as `id/model`.'),
    preload: boolean()
      .prefault(false)
      .describe('Whether to load it when the gateway starts, and to keep it as long as there is room.'),
    start_timeout: duration(1)
      .prefault('10m')
      .describe('How long it may take until it answers its health check.'),
    stop_timeout: duration(0)
      .prefault('15s')
      .describe('How long it may take to end after SIGTERM, before it is killed.'),
  });
