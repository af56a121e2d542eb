import { z } from 'zod';
import { isRecord } from '../core/json.ts';
import { ContractError } from './manifest.ts';

/** One fault of a plugin's configuration. */
export interface PluginConfigIssue {
  /** Below `config`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export type CheckedConfig =
  | { readonly config: unknown; readonly issues?: undefined }
  | { readonly issues: readonly PluginConfigIssue[] };

/** More are of no use. */
const MAX_ISSUES = 20;
const MAX_MESSAGE = 300;

/**
 * Checks the configuration of a plugin by the schema of the plugin. Runs where the plugin runs, since its patterns may stall.
 * @throws ContractError for a schema that cannot be used
 */
export async function checkPluginConfig(schema: unknown, value: unknown): Promise<CheckedConfig> {
  if (schema === undefined) return { config: value };
  const standard = isRecord(schema) || typeof schema === 'function' ? Object(schema)['~standard'] : undefined;
  if (isRecord(standard) && typeof standard.validate === 'function') {
    return ofStandard(await standard.validate(value));
  }
  if (!isRecord(schema)) throw new ContractError('"config" must be a JSON Schema or a Standard Schema');
  let parsed: z.ZodType;
  try {
    parsed = z.fromJSONSchema(schema);
  } catch (error) {
    throw new ContractError(
      `"config" is not a JSON Schema that can be used: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const result = parsed.safeParse(value);
  if (result.success) return { config: result.data };
  return { issues: result.error.issues.slice(0, MAX_ISSUES).flatMap(issuesOf) };
}

function issuesOf(issue: z.core.$ZodIssue): PluginConfigIssue[] {
  const path = pathOf(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], message: 'is not a key of this plugin' }));
  }
  return [{ path, message: issue.message.slice(0, MAX_MESSAGE) }];
}

function ofStandard(result: unknown): CheckedConfig {
  const issues = isRecord(result) ? result.issues : undefined;
  if (!Array.isArray(issues)) return { config: isRecord(result) ? result.value : undefined };
  return {
    issues: issues.slice(0, MAX_ISSUES).map((issue: unknown) => {
      const { path, message } = isRecord(issue) ? issue : {};
      return {
        path: pathOf(
          Array.isArray(path) ? path.map((part: unknown) => (isRecord(part) ? part.key : part)) : [],
        ),
        message: String(message ?? 'is not valid').slice(0, MAX_MESSAGE),
      };
    }),
  };
}

function pathOf(path: readonly unknown[]): (string | number)[] {
  return path.map((part) => (typeof part === 'number' ? part : String(part)));
}
