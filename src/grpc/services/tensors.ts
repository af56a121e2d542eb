import { decodeUtf8, encodeUtf8 } from '../../core/bytes.ts';
import { GatewayError } from '../../core/errors.ts';
import { isRecord, type JsonObject, listOf, records } from '../../core/json.ts';

/** Tensors of the Open Inference Protocol. */

/** One output of a response. */
export interface OutputTensor {
  readonly name: string;
  readonly datatype: 'BYTES' | 'FP32';
  readonly shape: readonly number[];
  /** Texts of `BYTES`, numbers of `FP32`. */
  readonly values: readonly (string | number)[];
}

/** The inputs of a request, by name. */
export type InputTensors = ReadonlyMap<string, readonly (string | number | boolean)[]>;

/** @throws GatewayError `invalid_request` for tensors whose data is not what they say */
export function readInputs(request: JsonObject): InputTensors {
  const raw = listOf(request.raw_input_contents);
  const tensors = records(request.inputs);
  if (raw.length > 0 && raw.length !== tensors.length) {
    throw invalid('raw_input_contents', `must have one entry for each of the ${tensors.length} inputs`);
  }
  const inputs = new Map<string, readonly (string | number | boolean)[]>();
  for (const [index, tensor] of tensors.entries()) {
    const { name, datatype } = tensor;
    const param = `inputs[${index}]`;
    if (typeof name !== 'string' || name === '') throw invalid(param, 'needs a name');
    if (inputs.has(name)) throw invalid(param, `repeats the input "${name.slice(0, 100)}"`);
    const bytes = raw[index];
    const values =
      bytes instanceof Uint8Array ? rawValues(bytes, datatype, param) : contentsOf(tensor.contents, param);
    const expected = listOf(tensor.shape).reduce<number>((product, size) => product * Number(size), 1);
    if (listOf(tensor.shape).length > 0 && expected !== values.length) {
      throw invalid(param, `has ${values.length} values, and a shape of ${expected}`);
    }
    inputs.set(name, values);
  }
  return inputs;
}

const CONTENTS = [
  ...[
    'bytes_contents',
    'bool_contents',
    'int_contents',
    'int64_contents',
    'uint_contents',
    'uint64_contents',
  ],
  ...['fp32_contents', 'fp64_contents'],
];

function contentsOf(contents: unknown, param: string): readonly (string | number | boolean)[] {
  if (!isRecord(contents)) return [];
  const [values = []] = CONTENTS.map((name) => listOf(contents[name])).filter(({ length }) => length > 0);
  return values.map((value) => {
    if (value instanceof Uint8Array) return textOf(value, param);
    return typeof value === 'boolean' ? value : Number(value);
  });
}

type ReadValue = (view: DataView, at: number) => number | boolean;

/** Numbers of a raw tensor are little-endian, one after the other. */
const RAW: Readonly<Record<string, readonly [size: number, read: ReadValue]>> = {
  BOOL: [1, (view, at) => view.getUint8(at) !== 0],
  UINT8: [1, (view, at) => view.getUint8(at)],
  INT8: [1, (view, at) => view.getInt8(at)],
  UINT16: [2, (view, at) => view.getUint16(at, true)],
  INT16: [2, (view, at) => view.getInt16(at, true)],
  UINT32: [4, (view, at) => view.getUint32(at, true)],
  INT32: [4, (view, at) => view.getInt32(at, true)],
  UINT64: [8, (view, at) => Number(view.getBigUint64(at, true))],
  INT64: [8, (view, at) => Number(view.getBigInt64(at, true))],
  FP32: [4, (view, at) => view.getFloat32(at, true)],
  FP64: [8, (view, at) => view.getFloat64(at, true)],
};

function rawValues(bytes: Uint8Array, datatype: unknown, param: string): (string | number | boolean)[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: (string | number | boolean)[] = [];
  if (datatype === 'BYTES') {
    for (let at = 0; at < bytes.length; ) {
      const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Number.POSITIVE_INFINITY;
      if (at + 4 + length > bytes.length) throw invalid(param, 'has raw data that ends within a value');
      values.push(textOf(bytes.subarray(at + 4, at + 4 + length), param));
      at += 4 + length;
    }
    return values;
  }
  const [size, read] = (typeof datatype === 'string' && Object.hasOwn(RAW, datatype) && RAW[datatype]) || [0];
  if (size === 0 || !read)
    throw invalid(param, `has the datatype "${String(datatype).slice(0, 50)}", which is not supported`);
  if (bytes.length % size !== 0) throw invalid(param, 'has raw data that ends within a value');
  for (let at = 0; at < bytes.length; at += size) values.push(read(view, at));
  return values;
}

function textOf(bytes: Uint8Array, param: string): string {
  try {
    return decodeUtf8(bytes);
  } catch {
    throw invalid(param, 'has a text that is not UTF-8');
  }
}

/** @param isRaw whether data goes beside the tensors, as it does where the client sends it so */
export function writeOutputs(outputs: readonly OutputTensor[], isRaw: boolean): JsonObject {
  const tensors = outputs.map(({ name, datatype, shape, values }) => ({
    ...{ name, datatype, shape },
    ...(isRaw ? {} : { contents: contents(datatype, values) }),
  }));
  if (!isRaw) return { outputs: tensors };
  return { outputs: tensors, raw_output_contents: outputs.map(rawBytes) };
}

function contents(datatype: OutputTensor['datatype'], values: OutputTensor['values']): JsonObject {
  return datatype === 'FP32'
    ? { fp32_contents: values }
    : { bytes_contents: values.map((value) => encodeUtf8(String(value))) };
}

function rawBytes({ datatype, values }: OutputTensor): Uint8Array {
  if (datatype === 'FP32') {
    const view = new DataView(new ArrayBuffer(4 * values.length));
    for (const [at, value] of values.entries()) view.setFloat32(4 * at, Number(value), true);
    return new Uint8Array(view.buffer);
  }
  const parts = values.flatMap((value) => {
    const bytes = encodeUtf8(String(value));
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, bytes.length, true);
    return [length, bytes];
  });
  return new Uint8Array(Buffer.concat(parts));
}

export function invalid(param: string, problem: string): GatewayError {
  return new GatewayError('invalid_request', `${param}: ${problem}.`, { param });
}
