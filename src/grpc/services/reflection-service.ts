import { isRecord } from '../../core/json.ts';
import type { GrpcCall } from '../grpc-call.ts';
import { GRPC_CODES } from '../grpc-status.ts';
import type { FileDescription, Schema } from '../protobuf/schema.ts';

type Reply = Readonly<Record<string, unknown>>;

/**
 * Server reflection, v1 and v1alpha: clients such as grpcurl ask for the services and their files. The files are public, as
 * `/openapi.json` is; so it needs no key.
 */
export class ReflectionService {
  readonly #bySymbol = new Map<string, FileDescription>();
  readonly #byName = new Map<string, FileDescription>();

  constructor(private readonly schema: Schema) {
    for (const file of schema.files) {
      this.#byName.set(file.name, file);
      for (const symbol of file.symbols.split(' ')) this.#bySymbol.set(symbol, file);
    }
  }

  async call(call: GrpcCall): Promise<void> {
    for (let request = await call.next(); request !== undefined; request = await call.next()) {
      const reply = this.#reply(isRecord(request) ? request : {});
      const host = isRecord(request) ? request.host : '';
      if (!call.send({ valid_host: host, original_request: request, ...reply })) {
        await new Promise<void>((resolve) => call.onDrain(resolve));
      }
      call.requestEnded();
      if (call.isOver) return;
    }
    call.finish();
  }

  #reply(request: Reply): Reply {
    if (request.list_services !== undefined) {
      return { list_services_response: { service: this.schema.services.map((name) => ({ name })) } };
    }
    const { file_by_filename: name, file_containing_symbol: symbol } = request;
    const file =
      typeof name === 'string'
        ? this.#byName.get(name)
        : typeof symbol === 'string'
          ? this.#bySymbol.get(symbol)
          : undefined;
    if (file) return { file_descriptor_response: { file_descriptor_proto: this.#withDependencies(file) } };
    const type = request.all_extension_numbers_of_type;
    if (typeof type === 'string' && this.#bySymbol.has(type)) {
      return { all_extension_numbers_response: { base_type_name: type } };
    }
    return {
      error_response: { error_code: GRPC_CODES.NOT_FOUND, error_message: 'There is no such file or symbol.' },
    };
  }

  #withDependencies(file: FileDescription): readonly Uint8Array[] {
    const found = new Set<FileDescription>();
    const visit = (one: FileDescription | undefined) => {
      if (!one || found.has(one)) return;
      found.add(one);
      for (const name of one.dependencies) visit(this.#byName.get(name));
    };
    visit(file);
    return [...found].map(({ descriptor }) => Buffer.from(descriptor, 'base64'));
  }
}
