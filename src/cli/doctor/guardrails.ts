import { isServerKind } from '../../config/guardrail-server-schema.ts';
import type { Config, GuardrailSettings } from '../../config/schema.ts';
import { systemClock } from '../../core/clock.ts';
import type { Transport } from '../../core/transport.ts';
import { type CheckContext, type Guardrail, GuardrailFailure } from '../../guardrails/guardrail.ts';
import { createGuardrail } from '../../guardrails/guardrail-kinds.ts';
import { createUpstreamTransport } from '../../platform/upstream-transport.ts';
import { Pseudonyms } from '../../redaction/pseudonyms.ts';
import { type Finding, messageOf } from './finding.ts';

/** Nothing is wrong with it. */
const HARMLESS = 'Hello, how are you?';
const CONTEXT: CheckContext = {
  ...{ requestId: 'doctor', tenant: 'doctor', model: 'doctor', pseudonyms: new Pseudonyms() },
  pause: () => Promise.resolve(),
  ask: () => Promise.reject(new Error('doctor asks no model')),
};

/** Asks the server of each guardrail about a harmless text, as requests do. */
export async function checkGuardrailServers(
  { guardrails }: Config,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Finding[]> {
  const asking = guardrails.filter(({ kind }) => isServerKind(kind));
  if (asking.length === 0) return [];
  const transport = createUpstreamTransport({ env, clock: systemClock });
  try {
    return await Promise.all(asking.map((settings) => checkServer(settings, transport)));
  } finally {
    transport.close();
  }
}

async function checkServer(settings: GuardrailSettings, transport: Transport): Promise<Finding> {
  const check = `guardrail ${settings.id}`;
  let guardrail: Guardrail | undefined;
  const startedAt = systemClock.now();
  try {
    guardrail = createGuardrail(settings, 'gateway', {
      hashSecret: 'doctor',
      servers: { transport, clock: systemClock },
    });
    const { checker, policy } = guardrail;
    if (checker.mode !== 'async') return { check, level: 'ok', message: 'asks no server' };
    const { counts } = await checker.check(
      [{ text: HARMLESS, stage: 'input', direction: 'input', role: 'user' }],
      CONTEXT,
      AbortSignal.timeout(policy.timeoutMs),
    );
    const took = `responds in ${Math.round(systemClock.now() - startedAt)} ms`;
    if (counts.size === 0) return { check, level: 'ok', message: took };
    return {
      ...{ check, level: 'warning' },
      message: `${took}, and finds ${[...counts.keys()].join(', ')} in ${JSON.stringify(HARMLESS)}`,
      advice: 'Set the action to "shadow" until the server is correct, or raise its threshold.',
    };
  } catch (error) {
    const isClosed = guardrail?.policy.fail !== 'open';
    return {
      ...{ check, level: isClosed ? 'problem' : 'warning' },
      message: `${reasonOf(error)}${isClosed ? '; requests are rejected until it responds' : '; requests pass unchecked until it responds'}`,
      advice: adviceFor(error, settings),
    };
  }
}

function reasonOf(error: unknown): string {
  return isTimeout(error) ? 'its server gives no verdict in time' : messageOf(error);
}

function isTimeout(error: unknown): boolean {
  if (error instanceof GuardrailFailure) return error.reason === 'timeout' || isTimeout(error.cause);
  return error instanceof Error && error.name === 'TimeoutError';
}

function adviceFor(error: unknown, { server }: GuardrailSettings): string {
  const message = messageOf(error);
  const address =
    server?.url === undefined ? 'the region and project' : `"server.url" (${hostOf(server.url)})`;
  if (isTimeout(error)) return `Check ${address}, or raise "timeout" where the server needs longer.`;
  if (/HTTP 40[13]/.test(message)) return 'Check "server.api_key" or the credentials in "server.headers".';
  if (/HTTP 404/.test(message)) return `Check the path of ${address}.`;
  if (error instanceof GuardrailFailure && error.reason === 'invalid_response') {
    return `Check that ${address} is the address of the check, and no web page: docs/guardrail-providers.md describes the response.`;
  }
  return `Start the server, or correct ${address}, and make sure that this machine can connect to it.`;
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? url;
}
