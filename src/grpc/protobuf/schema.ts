/** Messages and services of the proto files, as `npm run proto` writes them to `generated.ts`. */

export interface FieldDescription {
  readonly name: string;
  readonly number: number;
  /** A scalar type, or the full name of a message. */
  readonly type: string;
  /** `repeated`, `optional` or `map`. Those that are optional or in a `oneof` distinguish their default value from absence. */
  readonly label: string | undefined;
  /** Of a map: the type of its keys. */
  readonly key: string | undefined;
  /** Of an enum: its names by number. */
  readonly names: Readonly<Record<number, string>> | undefined;
  readonly oneof: string | undefined;
}

export interface MethodDescription {
  readonly name: string;
  readonly input: string;
  readonly output: string;
  readonly clientStreams: boolean;
  readonly serverStreams: boolean;
}

export interface FileDescription {
  /** Such as `weir/v1/inference.proto`. */
  readonly name: string;
  readonly dependencies: readonly string[];
  /** Full names of what it declares, with spaces between them: messages, enums, services, methods. */
  readonly symbols: string;
  /** The serialized `FileDescriptorProto`, in base64. */
  readonly descriptor: string;
}

export interface ProtoDescription {
  readonly files: readonly FileDescription[];
  /** By full name: its fields, as `scripts/proto.mjs` writes them. */
  readonly messages: Readonly<Record<string, string>>;
  /** By full name: methods as `Name Input Output`, with `*` before what is a stream. */
  readonly services: Readonly<Record<string, readonly string[]>>;
}

const FIELD =
  /^(?<name>\w+)=(?<number>\d+):(?<type>[\w.]+)(?:\((?<names>[^)]*)\))?(?:\+(?<label>\w+)|\|(?<oneof>\w+))?(?:<(?<key>\w+)>)?$/;

function fieldOf(text: string): FieldDescription {
  const { name = '', number, type = '', names, label, oneof, key } = FIELD.exec(text)?.groups ?? {};
  const entries = names?.split(',').map((entry) => entry.split('-'));
  return {
    ...{ name, number: Number(number), type, oneof, key },
    label: key === undefined ? label : 'map',
    names: entries && Object.fromEntries(entries.map(([at = '', shown = '']) => [Number(at), shown])),
  };
}

function methodOf(text: string): MethodDescription {
  const [name = '', input = '', output = ''] = text.split(' ');
  return {
    ...{ name, input: input.replace('*', ''), output: output.replace('*', '') },
    ...{ clientStreams: input.startsWith('*'), serverStreams: output.startsWith('*') },
  };
}

/** One field of a message. */
export interface Field extends FieldDescription {
  /** Its message; undefined for scalars. */
  readonly message: MessageType | undefined;
}

/**
 * How a message is represented in JSON: as an object; as the value of its only `oneof`; as a list, where its only field is
 * `repeated ... values`; as an object of any members, where its only field is a map `fields`.
 */
export type MessageShape = 'object' | 'union' | 'list' | 'members';

export class MessageType {
  readonly shape: MessageShape;
  readonly byNumber: ReadonlyMap<number, Field>;
  readonly byName: ReadonlyMap<string, Field>;
  /** Holds members that have no field. */
  readonly extra: Field | undefined;

  /**
   * @param name full name, without a dot at the start
   * @param messageOf finds the messages of fields, when they are used first
   */
  constructor(
    readonly name: string,
    descriptions: readonly FieldDescription[],
    messageOf: (name: string) => MessageType | undefined,
  ) {
    const fields = descriptions.map(
      (description): Field => ({
        ...description,
        get message() {
          return messageOf(description.type);
        },
      }),
    );
    this.byNumber = new Map(fields.map((field) => [field.number, field]));
    this.byName = new Map(fields.map((field) => [field.name, field]));
    this.extra = this.byName.get('extra');
    this.shape = shapeOf(fields);
  }
}

function shapeOf(fields: readonly Field[]): MessageShape {
  const [first] = fields;
  if (first === undefined) return 'object';
  if (fields.length === 1 && first.name === 'values' && first.label === 'repeated') return 'list';
  if (fields.length === 1 && first.name === 'fields' && first.label === 'map') return 'members';
  return first.oneof !== undefined && fields.every(({ oneof }) => oneof === first.oneof) ? 'union' : 'object';
}

/** One method of a service, with its messages. */
export interface Method extends Omit<MethodDescription, 'input' | 'output'> {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly service: string;
  readonly input: MessageType;
  readonly output: MessageType;
}

/** The messages and methods of a description. */
export class Schema {
  readonly files: readonly FileDescription[];
  readonly services: readonly string[];
  readonly #messages = new Map<string, MessageType>();
  readonly #methods = new Map<string, Method>();

  constructor(private readonly description: ProtoDescription) {
    this.files = description.files;
    this.services = Object.keys(description.services);
    for (const [service, methods] of Object.entries(description.services)) {
      for (const method of methods.map(methodOf)) {
        const path = `/${service}/${method.name}`;
        const input = this.message(method.input);
        const output = this.message(method.output);
        this.#methods.set(path, { ...method, path, service, input, output });
      }
    }
  }

  /** @param path `/package.Service/Method` */
  method(path: string): Method | undefined {
    return this.#methods.get(path);
  }

  /** @throws Error for a name that no file declares */
  message(name: string): MessageType {
    const found = this.#find(name);
    if (!found) throw new Error(`no proto file declares the message "${name}"`);
    return found;
  }

  #find(name: string): MessageType | undefined {
    const known = this.#messages.get(name);
    if (known) return known;
    const fields = Object.hasOwn(this.description.messages, name)
      ? this.description.messages[name]
      : undefined;
    if (fields === undefined) return undefined;
    const list = fields === '' ? [] : fields.split(' ').map(fieldOf);
    const made = new MessageType(name, list, (other) => this.#find(other));
    this.#messages.set(name, made);
    return made;
  }
}
