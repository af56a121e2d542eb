import type { Field, MessageType } from './schema.ts';
import { BYTES, FIXED32, FIXED64, VARINT, WireWriter } from './wire.ts';

const NOTHING = new Uint8Array(0);
const MAX_INT32 = 2_147_483_647;
const MAX_UINT32 = 4_294_967_295;

type Values = Readonly<Record<string, unknown>>;

/**
 * Encodes what `decodeMessage` returns, or JSON of the same form. null is absence, except in a union that has a null.
 * Members without a field, and those whose value does not fit their field, go to `extra` where the message has one, and are
 * left out elsewhere.
 * @param value of any type; one that does not fit gives the empty message
 */
export function encodeMessage(type: MessageType, value: unknown): Uint8Array {
  switch (type.shape) {
    case 'list':
      return Array.isArray(value) ? encodeObject(type, { values: value }) : NOTHING;
    case 'members':
      return isObject(value) ? encodeObject(type, { fields: value }) : NOTHING;
    case 'union': {
      const field = memberFor(type, value);
      return field ? encodeField(new WireWriter(), field, value).finish() : NOTHING;
    }
    case 'object':
      return isObject(value) ? encodeObject(type, value) : NOTHING;
  }
}

function encodeObject(type: MessageType, values: Values): Uint8Array {
  const writer = new WireWriter();
  let extra: Record<string, unknown> | undefined;
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === null) continue;
    const field = type.byName.get(name);
    if (field && field !== type.extra && fits(field, value)) encodeField(writer, field, value);
    // `object` names the type, which the message has.
    else if (type.extra && name !== 'object') {
      extra ??= {};
      extra[name] = value;
    }
  }
  if (type.extra && extra) encodeField(writer, type.extra, extra);
  return writer.finish();
}

function encodeField(writer: WireWriter, field: Field, value: unknown): WireWriter {
  const { number, label } = field;
  if (label === 'map') {
    for (const [key, entry] of Object.entries(isObject(value) ? value : {})) {
      if (!fitsOne(field, entry)) continue;
      const inner = writeOne(new WireWriter().tag(1, BYTES).string(key), field, 2, entry);
      writer.tag(number, BYTES).bytes(inner.finish());
    }
    return writer;
  }
  if (label !== 'repeated') {
    const isDefault = label !== 'optional' && field.oneof === undefined && !field.message && isZero(value);
    return isDefault ? writer : writeOne(writer, field, number, value);
  }
  const items = (Array.isArray(value) ? value : []).filter((item) => fitsOne(field, item));
  if (field.message || wireTypeOf(field.type) === BYTES) {
    for (const item of items) writeOne(writer, field, number, item);
    return writer;
  }
  if (items.length === 0) return writer;
  return writer.tag(number, BYTES).bytes(field.type === 'float' ? floats(items) : packed(field, items));
}

function packed(field: Field, items: readonly unknown[]): Uint8Array {
  const writer = new WireWriter();
  for (const item of items) writeScalar(writer, field, item);
  return writer.finish();
}

/** Vectors have thousands of them. */
function floats(items: readonly unknown[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * items.length));
  for (const [at, item] of items.entries()) view.setFloat32(4 * at, Number(item), true);
  return new Uint8Array(view.buffer);
}

function writeOne(writer: WireWriter, field: Field, number: number, value: unknown): WireWriter {
  const { message, type } = field;
  if (message) return writer.tag(number, BYTES).bytes(encodeMessage(message, value));
  return writeScalar(writer.tag(number, wireTypeOf(type)), field, value);
}

function writeScalar(writer: WireWriter, { type, names }: Field, value: unknown): WireWriter {
  switch (type) {
    case 'double':
      return writer.double(Number(value));
    case 'float':
      return writer.float(Number(value));
    case 'bool':
      return writer.varint(value === true ? 1 : 0);
    case 'string':
      return writer.string(String(value));
    case 'bytes':
      return writer.bytes(value instanceof Uint8Array ? value : NOTHING);
    case 'enum': {
      const found = Object.entries(names ?? {}).find(([, name]) => name === value);
      return writer.varint(found ? Number(found[0]) : 0);
    }
    default:
      return writer.varint(typeof value === 'bigint' ? value : Number(value));
  }
}

function wireTypeOf(type: string): number {
  if (type === 'double') return FIXED64;
  if (type === 'float') return FIXED32;
  return type === 'string' || type === 'bytes' ? BYTES : VARINT;
}

function isObject(value: unknown): value is Values {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

function isZero(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0;
  return value === 0 || value === 0n || value === '' || value === false;
}

function fits(field: Field, value: unknown): boolean {
  if (field.label === 'map') return isObject(value);
  if (field.label === 'repeated') return Array.isArray(value);
  return fitsOne(field, value);
}

function fitsOne({ type, message, names }: Field, value: unknown): boolean {
  if (message) {
    if (message.shape === 'list') return Array.isArray(value);
    return message.shape === 'union' ? memberFor(message, value) !== undefined : isObject(value);
  }
  switch (type) {
    case 'double':
    case 'float':
      return typeof value === 'number';
    case 'bool':
      return typeof value === 'boolean';
    case 'string':
      return typeof value === 'string';
    case 'bytes':
      return value instanceof Uint8Array;
    case 'enum':
      return typeof value === 'string'
        ? Object.values(names ?? {}).includes(value)
        : value === null && names?.[0] === 'NULL_VALUE';
    case 'int32':
      return Number.isInteger(value) && Math.abs(Number(value)) <= MAX_INT32;
    case 'uint32':
      return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_UINT32;
    case 'uint64':
      return typeof value === 'bigint' ? value >= 0n : Number.isSafeInteger(value) && Number(value) >= 0;
    default:
      return typeof value === 'bigint' || Number.isSafeInteger(value);
  }
}

/** The first member of a union that a value fits; of lists, the first whose items fit. */
function memberFor({ byNumber }: MessageType, value: unknown): Field | undefined {
  for (const field of byNumber.values()) {
    if (!fitsOne(field, value)) continue;
    const item = field.message?.shape === 'list' ? field.message.byName.get('values') : undefined;
    if (item && Array.isArray(value) && value.length > 0 && !fitsOne(item, value[0])) continue;
    return field;
  }
  return undefined;
}
