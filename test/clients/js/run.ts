/** Runs the checks of all JavaScript clients; prints one JSON object for each to stdout. */
import { aiSdkChecks } from './ai-sdk.ts';
import type { Settings } from './check.ts';
import { langchainChecks } from './langchain.ts';
import { openaiAgentsChecks } from './openai-agents.ts';

const settings: Settings = JSON.parse(process.env.WEIR_CLIENT_SETTINGS ?? '{}');

for (const { client, format, check, run } of [
  ...aiSdkChecks(settings),
  ...langchainChecks(settings),
  ...openaiAgentsChecks(settings),
]) {
  const reason = await run().then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error)),
  );
  console.log(JSON.stringify({ client, format, check, ...(reason !== undefined && { reason }) }));
}
// Clients may keep connections open.
process.exit(0);
