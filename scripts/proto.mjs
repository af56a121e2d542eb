// Writes src/grpc/protobuf/generated.ts from the files of proto/, and checks these with buf's rules:
// `npm run proto`. With --check it writes nothing, and fails where the file is not up to date.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PROTO = join(ROOT, 'proto');
const OUTPUT = join(ROOT, 'src/grpc/protobuf/generated.ts');
const BUF = '@bufbuild/buf@1.75.0';

/** The hash of all proto files, which the generated file names. */
export function protoHash() {
  const hash = createHash('sha256');
  for (const name of readdirSync(PROTO, { recursive: true }).map(String).sort()) {
    if (name.endsWith('.proto'))
      hash
        .update(name)
        .update('\0')
        .update(readFileSync(join(PROTO, name)));
  }
  return hash.digest('hex');
}

/** Installs buf without its scripts, on first use, outside of the checkout. @returns the path of its program */
function buf() {
  const { WEIR_TEST_CACHE, XDG_CACHE_HOME } = process.env;
  const cache = WEIR_TEST_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'weir-tests');
  const folder = join(cache, BUF.replace('/', '-'));
  const program = join(folder, `node_modules/@bufbuild/buf-${process.platform}-${process.arch}/bin/buf`);
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder];
    execFileSync('npm', ['install', ...flags, BUF], { stdio: 'inherit' });
  }
  return program;
}

const TYPES = {
  TYPE_DOUBLE: 'double',
  TYPE_FLOAT: 'float',
  TYPE_INT32: 'int32',
  TYPE_INT64: 'int64',
  TYPE_UINT32: 'uint32',
  TYPE_UINT64: 'uint64',
  TYPE_BOOL: 'bool',
  TYPE_STRING: 'string',
  TYPE_BYTES: 'bytes',
  TYPE_ENUM: 'enum',
};

const withoutDot = (name) => name.replace(/^\./, '');

/** All messages and enums of a file by full name, nested ones included. */
function declarations(file) {
  const messages = new Map();
  const enums = new Map();
  const visit = (prefix, { messageType = [], nestedType = [], enumType = [] }) => {
    for (const item of enumType) enums.set(`${prefix}.${item.name}`, item);
    for (const item of [...messageType, ...nestedType]) {
      messages.set(`${prefix}.${item.name}`, item);
      visit(`${prefix}.${item.name}`, item);
    }
  };
  visit(file.package, file);
  return { messages, enums };
}

/** One field as `name=number:type`, with `+` for its label, `|` for its `oneof`, `<key>` of maps, `(names)` of enums. */
function fieldOf(field, message, messages, enums) {
  const target = field.typeName === undefined ? undefined : withoutDot(field.typeName);
  const type = TYPES[field.type] ?? (field.type === 'TYPE_MESSAGE' ? target : undefined);
  if (type === undefined) throw new Error(`${field.name}: the type ${field.type} is not supported`);
  const named = (name, { number }, rest) => `${name}=${number}:${rest}`;
  const entry = messages.get(target);
  if (entry?.options?.mapEntry) {
    const [key, value] = entry.field;
    const inner = fieldOf(value, entry, messages, enums).replace(/^[^:]*:/, '');
    return named(field.name, field, `${inner}<${TYPES[key.type]}>`);
  }
  const names = enums.get(target)?.value.map(({ name, number = 0 }) => `${number}-${name}`);
  const typed = names ? `${type}(${names.join(',')})` : type;
  if (field.label === 'LABEL_REPEATED') return named(field.name, field, `${typed}+repeated`);
  if (field.proto3Optional) return named(field.name, field, `${typed}+optional`);
  if (field.oneofIndex === undefined) return named(field.name, field, typed);
  return named(field.name, field, `${typed}|${message.oneofDecl[field.oneofIndex].name}`);
}

/** Splits a serialized FileDescriptorSet into its files. */
function filesOf(bytes) {
  const files = [];
  for (let at = 0; at < bytes.length; ) {
    at += 1;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at];
      at += 1;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    files.push(bytes.subarray(at, at + length));
    at += length;
  }
  return files;
}

function generated() {
  const program = buf();
  const run = (...args) => execFileSync(program, args, { cwd: PROTO, maxBuffer: 64 * 1024 * 1024 });
  run('lint');
  const common = ['--as-file-descriptor-set', '--exclude-source-info', '-o'];
  const { file: described } = JSON.parse(run('build', ...common, '-#format=json').toString());
  const descriptors = filesOf(run('build', ...common, '-#format=binpb'));
  const all = described.map(declarations);
  const messages = new Map(all.flatMap((one) => [...one.messages]));
  const enums = new Map(all.flatMap((one) => [...one.enums]));
  const files = described.map((file, index) => ({
    name: file.name,
    dependencies: file.dependency ?? [],
    symbols: [
      ...all[index].messages.keys(),
      ...all[index].enums.keys(),
      ...(file.service ?? []).flatMap(({ name, method }) => [
        `${file.package}.${name}`,
        ...method.map((one) => `${file.package}.${name}.${one.name}`),
      ]),
    ].join(' '),
    descriptor: Buffer.from(descriptors[index]).toString('base64'),
  }));
  const services = described.flatMap((file) =>
    (file.service ?? []).map(({ name, method }) => [
      `${file.package}.${name}`,
      method.map(({ name: called, inputType, outputType, clientStreaming, serverStreaming }) => {
        const types = [withoutDot(inputType), withoutDot(outputType)];
        return `${called} ${clientStreaming ? '*' : ''}${types[0]} ${serverStreaming ? '*' : ''}${types[1]}`;
      }),
    ]),
  );
  const fields = [...messages]
    .filter(([, { options }]) => !options?.mapEntry)
    .map(([name, message]) => [
      name,
      (message.field ?? []).map((field) => fieldOf(field, message, messages, enums)).join(' '),
    ]);
  const description = { files, messages: Object.fromEntries(fields), services: Object.fromEntries(services) };
  return `// Generated by \`npm run proto\` from proto/. Do not edit.
import type { ProtoDescription } from './schema.ts';

/** SHA-256 of the proto files. */
export const PROTO_HASH = '${protoHash()}';

export const PROTO: ProtoDescription = ${JSON.stringify(description, null, 2)};
`;
}

function formatted(text) {
  const biome = join(ROOT, 'node_modules/@biomejs/biome/bin/biome');
  return execFileSync(
    process.execPath,
    [biome, 'format', '--stdin-file-path=src/grpc/protobuf/generated.ts'],
    {
      cwd: ROOT,
      input: text,
      maxBuffer: 64 * 1024 * 1024,
    },
  ).toString();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = formatted(generated());
  if (!process.argv.includes('--check')) writeFileSync(OUTPUT, text);
  else if (readFileSync(OUTPUT, 'utf8') !== text) {
    console.error('src/grpc/protobuf/generated.ts is not up to date: run `npm run proto`.');
    process.exitCode = 1;
  }
}
