import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { protoHash } from '../../scripts/proto.mjs';
import { withGrpcCodes } from './grpc-codes-table.ts';
import { PROTO_HASH } from './protobuf/generated.ts';

test('docs/grpc.md lists the code of every error', () => {
  const page = readFileSync(join(import.meta.dir, '../../docs/grpc.md'), 'utf8');
  expect(withGrpcCodes(page)).toBe(page);
});

test('the generated schema is that of the proto files', () => {
  expect(PROTO_HASH).toBe(protoHash());
});
