import { expect, test } from 'bun:test';
import { entryOf } from '../../test/support/cache-store-conformance.ts';
import { SecretBox } from '../platform/secret-box.ts';
import { EntryCodec } from './entry-codec.ts';

const BOX = new SecretBox('secret', 'cache');

test('an entry that lacks what its reader checks is not read', async () => {
  const codec = new EntryCodec<unknown>(BOX);
  const entry = entryOf('one');
  expect(await codec.decode(await codec.encode(entry))).toEqual(entry);
  const { owner: _, ...homeless } = entry;
  for (const damaged of [
    { ...entry, value: undefined },
    { ...entry, value: 'text' },
    { ...entry, storedAt: undefined },
    { ...entry, usableUntil: null },
    { ...entry, owner: { tenant: 'acme' } },
    homeless,
    [entry],
    'entry',
    null,
  ]) {
    const text = await codec.encode(Object(damaged));
    expect(await codec.decode(text)).toBeUndefined();
  }
});

test('text of another format, cut off, or sealed with another secret is not read', async () => {
  const codec = new EntryCodec<unknown>(BOX);
  const text = await codec.encode(entryOf('one'));
  const other = await new EntryCodec<unknown>(new SecretBox('other', 'cache')).encode(entryOf('one'));
  const older = Buffer.concat([Buffer.of(0), Buffer.from(text, 'base64').subarray(1)]).toString('base64');
  for (const bad of ['', 'x', '!', text.slice(0, -8), text.slice(0, 20), other, older]) {
    expect(await codec.decode(bad)).toBeUndefined();
  }
});
