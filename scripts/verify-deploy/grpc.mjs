// The port of gRPC: its files by buf, and its services by clients of Python.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './lib/process.mjs';
import { freePort, Service } from './lib/service.mjs';

const KEY = 'verify-deploy-admin-key';

/** Runs `use` with a gateway whose only provider is the simulator, and the port of its gRPC. */
async function withGateway({ root, temporary }, use) {
  const [port, grpcPort] = [await freePort(), await freePort()];
  const folder = temporary();
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    WEIR_ADMIN_KEY: KEY,
    WEIR_DATA_DIR: join(folder, 'data'),
    WEIR_DETECT_ENGINES: '0',
    SERVER_HOST: '127.0.0.1',
    SERVER_PORT: String(port),
    GRPC_PORT: String(grpcPort),
    METRICS_PORT: 'off',
  };
  const service = new Service([process.execPath, join(root, 'bin/weir.mjs'), 'serve'], { cwd: folder, env });
  try {
    await service.ready(`http://127.0.0.1:${port}/health/ready`, 120_000);
    return await use(`127.0.0.1:${grpcPort}`, folder);
  } finally {
    await service.stop();
  }
}

/** The first Python example of the page. */
function pythonExample(root) {
  const page = readFileSync(join(root, 'docs/grpc.md'), 'utf8');
  const example = /^```python\n([\s\S]*?)^```$/m.exec(page)?.[1];
  if (example === undefined) throw new Error('docs/grpc.md has no example in Python');
  return example;
}

const TRITON = `
import json, os, queue, sys
import numpy as np
import tritonclient.grpc as triton

headers = {"authorization": "Bearer " + os.environ["WEIR_API_KEY"]}
client = triton.InferenceServerClient(os.environ["WEIR_GRPC"])
assert client.is_server_live() and client.is_server_ready()
assert client.is_model_ready("simulator", headers=headers)
assert client.get_server_metadata().name == "weir"
names = [tensor.name for tensor in client.get_model_metadata("simulator", headers=headers).inputs]
assert "text_input" in names, names

def tensor(name, values, datatype="BYTES"):
    made = triton.InferInput(name, [len(values)], datatype)
    made.set_data_from_numpy(np.array(values, dtype=object if datatype == "BYTES" else bool))
    return made

inputs = [tensor("text_input", [b"Hello"]), tensor("sampling_parameters", [json.dumps({"max_tokens": "20"}).encode()])]
text = client.infer("simulator", inputs, headers=headers).as_numpy("text_output")
assert len(text[0]) > 0, text

vectors = client.infer("simulator-embedding", [tensor("text_input", [b"a", b"b"])], headers=headers,
    outputs=[triton.InferRequestedOutput("embedding")]).as_numpy("embedding")
assert vectors.dtype == np.float32 and vectors.shape[0] == 2, vectors.shape

received = queue.Queue()
client.start_stream(lambda result, error: received.put((result, error)), headers=headers)
client.async_stream_infer("simulator", inputs + [tensor("stream", [True], "BOOL")], request_id="1")
parts = []
while True:
    result, error = received.get(timeout=30)
    if error is not None:
        sys.exit(str(error))
    parts.append(result.as_numpy("text_output")[0].decode())
    if result.get_response().parameters["triton_final_response"].bool_param:
        break
client.stop_stream()
assert len(parts) > 2, parts
try:
    client.infer("simulator", inputs)
    sys.exit("a call without a key was served")
except triton.InferenceServerException as error:
    assert error.status() == "StatusCode.UNAUTHENTICATED", error.status()
print(f"{len(parts)} parts")
`;

/** @type {import('./lib/contract.d.ts').Check[]} */
export const checks = [
  {
    artefact: 'proto/',
    tool: 'buf',
    async run({ root }) {
      await run([process.execPath, 'scripts/proto.mjs', '--check'], { cwd: root });
      return { result: 'proved', detail: 'no finding; the generated schema is up to date' };
    },
  },
  {
    artefact: 'docs/grpc.md',
    tool: 'grpcio',
    async run(context) {
      const { root, tools } = context;
      const python = await tools.pip('grpcio-tools==1.81.1 grpcio==1.85.1', 'python');
      return withGateway(context, async (target, folder) => {
        const protoc = ['-m', 'grpc_tools.protoc', '-I', join(root, 'proto'), `--python_out=${folder}`];
        await run([python, ...protoc, `--grpc_python_out=${folder}`, 'weir/v1/inference.proto'], {
          cwd: folder,
        });
        const env = { WEIR_API_KEY: KEY, WEIR_GRPC: target, PYTHONPATH: folder };
        const { stdout } = await run([python, '-c', pythonExample(root)], { cwd: folder, env });
        const [first = '', second = ''] = stdout.trim().split('\n');
        if (!/\S+ \d+$/.test(first) || second.length < 10) throw new Error(`unexpected output: ${stdout}`);
        return { result: 'proved', detail: 'the example runs: a response and a stream' };
      });
    },
  },
  {
    artefact: 'inference.GRPCInferenceService',
    tool: 'tritonclient',
    async run(context) {
      const python = await context.tools.pip('tritonclient[grpc]==2.73.0', 'python');
      return withGateway(context, async (target, folder) => {
        const env = { WEIR_API_KEY: KEY, WEIR_GRPC: target };
        const { stdout } = await run([python, '-c', TRITON], { cwd: folder, env });
        return { result: 'proved', detail: `text, embeddings and a stream of ${stdout.trim()}` };
      });
    },
  },
];
