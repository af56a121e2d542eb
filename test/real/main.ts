/** `npm run real`: a real llama.cpp server behind Weir. `LLAMA_SERVER=/path MODEL=/path` use your own. */
import { done } from '../e2e/helpers/admin.ts';
import { startGateway } from '../support/gateway.ts';
import { CheckTable } from '../support/real-clients/check-table.ts';
import { InstallError } from '../support/real-clients/package-cache.ts';
import { type EngineFiles, findEngine } from './engine-build.ts';
import { type LlamaServer, MODEL_NAME, serverArguments, startLlamaServer } from './llama-server.ts';
import { engineChecks } from './suite.ts';

const TENANT = 'real';
const COUNTED_TENANT = 'counted';

async function engineFiles(): Promise<EngineFiles> {
  try {
    return await findEngine();
  } catch (error) {
    if (!(error instanceof InstallError)) throw error;
    console.error(`No llama.cpp server: ${error.message}`);
    console.error('Start again with LLAMA_SERVER=/path/to/llama-server MODEL=/path/to/model.gguf');
    process.exit(1);
  }
}

const files = await engineFiles();
console.log(`llama.cpp: ${files.origin}`);
const servers: LlamaServer[] = [];
let gateway: Awaited<ReturnType<typeof startGateway>> | undefined;
try {
  const engine = await startLlamaServer(files);
  servers.push(engine);
  const embedder = await startLlamaServer(files, ['--embeddings', '--pooling', 'mean']);
  servers.push(embedder);
  const victim = await startLlamaServer(files);
  servers.push(victim);
  const provider = (id: string, { url }: LlamaServer) => ({
    id,
    kind: 'openai-compatible',
    engine: 'llamacpp',
    base_url: `${url}/v1`,
  });
  gateway = await startGateway({
    config: {
      // The retries and breakers of a default installation.
      routing: {},
      // The same engine twice, because one candidate needs no gauges.
      providers: [
        provider('llamacpp', engine),
        provider('again', engine),
        provider('embedder', embedder),
        provider('victim', victim),
      ],
      engines: {
        commands: [
          { id: 'spare', engine: 'llamacpp', command: [files.server, ...serverArguments(files, '{port}')] },
        ],
      },
      models: [
        { id: 'on-demand', targets: [{ provider: 'spare', model: MODEL_NAME }] },
        { id: MODEL_NAME, targets: [{ provider: 'llamacpp', model: MODEL_NAME }] },
        { id: 'embed', targets: [{ provider: 'embedder', model: MODEL_NAME }] },
        {
          id: 'continued',
          strategy: 'weighted',
          continue_streams: true,
          targets: [
            { provider: 'victim', model: MODEL_NAME, tier: 0 },
            { provider: 'llamacpp', model: MODEL_NAME, tier: 1 },
          ],
        },
        {
          id: 'by-load',
          strategy: 'engine-load',
          targets: ['llamacpp', 'again'].map((id) => ({ provider: id, model: MODEL_NAME })),
        },
      ],
    },
  });
  const keys: string[] = [];
  for (const id of [TENANT, COUNTED_TENANT]) {
    await done(gateway, 'POST', '/tenants', { id, tier: null });
    keys.push(String((await done(gateway, 'POST', `/tenants/${id}/keys`, { name: 'real' })).key));
  }
  const [key = '', countedKey = ''] = keys;
  const table = new CheckTable({ check: 32 });
  const counted = { key: countedKey, tenant: COUNTED_TENANT };
  for (const { name, run } of engineChecks({ gateway, engine, embedder, victim, key, counted })) {
    await table.check([name], run);
  }
  process.exitCode = table.end();
} finally {
  await gateway?.stop();
  await Promise.all(servers.map((server) => server.stop()));
}
process.exit();
