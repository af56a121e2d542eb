import type { Field, MessageType } from './schema.ts';
import { BYTES, FIXED32, FIXED64, ProtobufError, VARINT, WireReader } from './wire.ts';

/** Levels of messages in messages. JSON of requests may have as many. */
const MAX_DEPTH = 128;
/** Fields of a message and of the messages in it: two bytes on the wire may become an object of a hundred. */
const MAX_VALUES = 1_000_000;

/**
 * Decodes a message to what JSON represents: objects by field name, lists, texts, numbers, booleans. 64-bit integers beyond
 * the range of exact numbers become `bigint`, `bytes` become byte arrays that refer to the input, enums become their names.
 * Absent fields are absent. Members of `extra` become members of the object that they are in.
 * @throws ProtobufError for bytes that are no such message, and for messages of too many values or levels
 */
export function decodeMessage(type: MessageType, bytes: Uint8Array): unknown {
  return new Decoder().message(type, bytes, MAX_DEPTH);
}

type Values = Record<string, unknown>;

class Decoder {
  #left = MAX_VALUES;

  message(type: MessageType, bytes: Uint8Array, depth: number, into: Values = emptyObject()): unknown {
    if (depth === 0) throw new ProtobufError(`it has more than ${MAX_DEPTH} levels`);
    const reader = new WireReader(bytes);
    while (reader.at < reader.length) {
      const tag = reader.uint32();
      const number = tag >>> 3;
      if (number === 0) throw new ProtobufError('a field has the number 0');
      this.#count(1);
      const field = type.byNumber.get(number);
      const wireType = tag & 7;
      if (field && (wireType === wireTypeOf(field) || isPacked(field, wireType))) {
        this.#field(field, reader, wireType, into, depth);
        if (field.oneof !== undefined) dropOthers(type, field, into);
      } else reader.skip(wireType, depth);
    }
    return shaped(type, into);
  }

  #field(field: Field, reader: WireReader, wireType: number, into: Values, depth: number): void {
    const { name, label } = field;
    if (label === 'map') {
      const entries = into[name] ?? emptyObject();
      into[name] = entries;
      this.#entry(field, reader.bytes(), entries, depth);
    } else if (label === 'repeated') {
      const list = into[name] ?? [];
      into[name] = list;
      if (!Array.isArray(list)) return;
      if (isPacked(field, wireType)) this.#packed(field, reader.bytes(), list);
      else list.push(this.#value(field, reader, depth));
    } else {
      into[name] = this.#value(field, reader, depth, into[name]);
    }
  }

  #entry(field: Field, bytes: Uint8Array, entries: unknown, depth: number): void {
    const reader = new WireReader(bytes);
    let key = '';
    let value: unknown = field.message ? undefined : defaultOf(field);
    while (reader.at < reader.length) {
      const tag = reader.uint32();
      this.#count(1);
      if (tag >>> 3 === 1 && field.key !== undefined && (tag & 7) === wireTypes[field.key]) {
        key = String(scalar(field.key, reader));
      } else if (tag >>> 3 === 2 && (tag & 7) === valueWireType(field)) {
        value = this.#value(field, reader, depth);
      } else reader.skip(tag & 7, depth);
    }
    if (field.message && value === undefined) value = shaped(field.message, emptyObject());
    if (isValues(entries)) entries[key] = value;
  }

  #packed(field: Field, bytes: Uint8Array, list: unknown[]): void {
    const reader = new WireReader(bytes);
    // A number of a list takes as much memory as on the wire; lists of texts and objects count one by one.
    this.#count(Math.ceil(bytes.length / 64));
    while (reader.at < reader.length) list.push(scalarOf(field, reader));
  }

  #value(field: Field, reader: WireReader, depth: number, before?: unknown): unknown {
    const { message } = field;
    if (!message) return scalarOf(field, reader);
    // A message that occurs twice is merged.
    const into = message.shape === 'object' && isValues(before) ? before : emptyObject();
    return this.message(message, reader.bytes(), depth - 1, into);
  }

  #count(values: number): void {
    this.#left -= values;
    if (this.#left < 0) throw new ProtobufError(`it has more than ${MAX_VALUES} values`);
  }
}

/** Without a prototype: names of map entries come from clients, and may be `__proto__`. */
function emptyObject(): Values {
  return Object.create(null) as Values;
}

function isValues(value: unknown): value is Values {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

function dropOthers(type: MessageType, { name, oneof }: Field, into: Values): void {
  for (const other of type.byNumber.values()) {
    if (other.oneof === oneof && other.name !== name) delete into[other.name];
  }
}

function shaped({ shape, extra }: MessageType, values: Values): unknown {
  switch (shape) {
    case 'list':
      return values.values ?? [];
    case 'members':
      return values.fields ?? emptyObject();
    case 'union': {
      const [value = null] = Object.values(values);
      return value;
    }
    case 'object': {
      if (!extra || !isValues(values.extra)) return values;
      const { extra: more, ...own } = values;
      return { ...more, ...own };
    }
  }
}

const wireTypes: Readonly<Record<string, number>> = {
  ...{ double: FIXED64, float: FIXED32, string: BYTES, bytes: BYTES },
  ...{ int32: VARINT, int64: VARINT, uint32: VARINT, uint64: VARINT, bool: VARINT, enum: VARINT },
};

function wireTypeOf(field: Field): number {
  return field.label === 'map' ? BYTES : valueWireType(field);
}

/** Of one value of a list or map. */
function valueWireType({ type, message }: Field): number {
  return message ? BYTES : (wireTypes[type] ?? BYTES);
}

/** Numbers of a list may be one after the other in one field, whatever the schema says. */
function isPacked(field: Field, wireType: number): boolean {
  return field.label === 'repeated' && wireType === BYTES && wireTypeOf(field) !== BYTES;
}

function defaultOf({ type, names }: Field): unknown {
  if (type === 'string') return '';
  if (type === 'bytes') return new Uint8Array(0);
  if (type === 'bool') return false;
  return type === 'enum' ? (names?.[0] ?? null) : 0;
}

function scalarOf(field: Field, reader: WireReader): unknown {
  if (field.type !== 'enum') return scalar(field.type, reader);
  const number = reader.int32();
  if (field.names === undefined) return number;
  const name = field.names[number] ?? number;
  return name === 'NULL_VALUE' ? null : name;
}

function scalar(type: string, reader: WireReader): unknown {
  switch (type) {
    case 'double':
      return reader.double();
    case 'float':
      return reader.float();
    case 'int32':
      return reader.int32();
    case 'int64':
      return reader.int64();
    case 'uint32':
      return reader.uint32();
    case 'uint64':
      return reader.uint64();
    case 'bool':
      return reader.bool();
    case 'bytes':
      return reader.bytes();
    default:
      return reader.string();
  }
}
