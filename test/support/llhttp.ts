import { createRequire } from 'node:module';

/**
 * llhttp, the parser of Node and undici, as a second opinion on requests. undici ships it as WebAssembly.
 * @see https://github.com/nodejs/llhttp
 */

export interface ParsedRequest {
  readonly method: string;
  readonly target: string;
  /** Such as `1.1`. */
  readonly version: string;
  /** Lower-case names, in the order of the wire. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** In Latin-1. */
  readonly body: string;
  /** Whether the sender would send another request on this connection. */
  readonly keepAlive: boolean;
}

export interface ParsedBytes {
  /** Requests that arrived completely. */
  readonly requests: readonly ParsedRequest[];
  /** The head of the request that did not arrive completely, if its head did. */
  readonly partial: ParsedRequest | undefined;
  /** Why the bytes after those requests were rejected. */
  readonly error: string | undefined;
}

interface LlhttpExports {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  malloc(bytes: number): number;
  free(pointer: number): void;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  llhttp_execute(parser: number, bytes: number, length: number): number;
  llhttp_get_error_reason(parser: number): number;
  llhttp_get_method(parser: number): number;
  llhttp_get_http_major(parser: number): number;
  llhttp_get_http_minor(parser: number): number;
  llhttp_should_keep_alive(parser: number): number;
}

interface RequestDraft extends Omit<ParsedRequest, 'headers'> {
  method: string;
  target: string;
  version: string;
  headers: [name: string, value: string][];
  body: string;
  keepAlive: boolean;
}

const REQUEST = 1;
const OK = 0;

const require = createRequire(import.meta.url);
const wasm: Buffer = require('undici/lib/llhttp/llhttp-wasm.js');
const { METHODS }: { METHODS: Readonly<Record<string, number>> } = require('undici/lib/llhttp/constants.js');
const METHOD_NAMES = new Map(Object.entries(METHODS).map(([name, code]) => [code, name]));

/** One instance of the WebAssembly module. Parses one sequence of bytes at a time. */
export class Llhttp {
  readonly #exports: LlhttpExports;
  #requests: ParsedRequest[] = [];
  #current: RequestDraft = emptyRequest();
  #headComplete = false;
  /** Of those in the head: trailers are reported in the same way, after the body. */
  #headerCount = 0;
  /** The last header callback was for a value: the next name begins another header. */
  #inValue = true;

  private constructor(instantiate: (imports: WebAssembly.Imports) => LlhttpExports) {
    this.#exports = instantiate({ env: this.#callbacks() });
    this.#exports._initialize();
  }

  static async load(): Promise<Llhttp> {
    const module = await WebAssembly.compile(new Uint8Array(wasm));
    return new Llhttp((imports) => {
      const { exports } = new WebAssembly.Instance(module, imports);
      if (!isLlhttp(exports)) throw new Error('undici ships an llhttp without the expected exports.');
      return exports;
    });
  }

  /** @param pieces parsed in order, as separate reads of one connection */
  parse(pieces: readonly Uint8Array[]): ParsedBytes {
    this.#requests = [];
    this.#begin();
    const { memory, malloc, free, llhttp_alloc, llhttp_free, llhttp_execute, llhttp_get_error_reason } =
      this.#exports;
    const parser = llhttp_alloc(REQUEST);
    let error: string | undefined;
    try {
      for (const piece of pieces) {
        const pointer = malloc(Math.max(1, piece.length));
        new Uint8Array(memory.buffer).set(piece, pointer);
        const code = llhttp_execute(parser, pointer, piece.length);
        free(pointer);
        if (code === OK) continue;
        error = this.#cString(llhttp_get_error_reason(parser)) || `llhttp error ${code}`;
        break;
      }
    } finally {
      llhttp_free(parser);
    }
    const { headers } = this.#current;
    const partial = { ...this.#current, headers: headers.slice(0, this.#headerCount) };
    return { requests: this.#requests, partial: this.#headComplete ? partial : undefined, error };
  }

  #begin(): void {
    this.#current = emptyRequest();
    this.#headComplete = false;
    this.#inValue = true;
  }

  #callbacks(): Record<string, (parser: number, at: number, length: number) => number> {
    return {
      wasm_on_message_begin: () => {
        this.#begin();
        return 0;
      },
      wasm_on_url: (_, at, length) => {
        this.#current.target += this.#text(at, length);
        return 0;
      },
      wasm_on_status: () => 0,
      wasm_on_header_field: (_, at, length) => {
        const { headers } = this.#current;
        if (this.#inValue) headers.push(['', '']);
        this.#inValue = false;
        const header = headers.at(-1);
        if (header) header[0] += this.#text(at, length).toLowerCase();
        return 0;
      },
      wasm_on_header_value: (_, at, length) => {
        this.#inValue = true;
        const header = this.#current.headers.at(-1);
        if (header) header[1] += this.#text(at, length);
        return 0;
      },
      wasm_on_headers_complete: (parser) => {
        const { llhttp_get_method, llhttp_get_http_major, llhttp_get_http_minor, llhttp_should_keep_alive } =
          this.#exports;
        const request = this.#current;
        request.method = METHOD_NAMES.get(llhttp_get_method(parser)) ?? '';
        request.version = `${llhttp_get_http_major(parser)}.${llhttp_get_http_minor(parser)}`;
        request.keepAlive = llhttp_should_keep_alive(parser) === 1;
        this.#headComplete = true;
        this.#headerCount = request.headers.length;
        return 0;
      },
      wasm_on_body: (_, at, length) => {
        this.#current.body += this.#text(at, length);
        return 0;
      },
      wasm_on_message_complete: () => {
        this.#requests.push({
          ...this.#current,
          headers: this.#current.headers.slice(0, this.#headerCount),
        });
        this.#headComplete = false;
        return 0;
      },
    };
  }

  #text(at: number, length: number): string {
    return Buffer.from(this.#exports.memory.buffer, at, length).toString('latin1');
  }

  #cString(at: number): string {
    if (at === 0) return '';
    const bytes = new Uint8Array(this.#exports.memory.buffer);
    return Buffer.from(bytes.subarray(at, bytes.indexOf(0, at))).toString('latin1');
  }
}

function emptyRequest(): RequestDraft {
  return { method: '', target: '', version: '', headers: [], body: '', keepAlive: false };
}

function isLlhttp(exports: WebAssembly.Exports): exports is WebAssembly.Exports & LlhttpExports {
  return ['memory', 'malloc', 'llhttp_alloc', 'llhttp_execute', 'llhttp_should_keep_alive'].every(
    (name) => name in exports,
  );
}
