import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { faultsOf, loadText } from '../../test/support/config-source.ts';
import { runs } from '../../test/support/effort.ts';
import { ConfigError } from './errors.ts';

const bomb = [
  'a: &a [x, x, x, x, x, x, x, x, x, x]',
  ...[...'bcdefghij'].map(
    (name, n) => `${name}: &${name} [${Array(10).fill(`*${'abcdefghi'[n]}`).join(', ')}]`,
  ),
].join('\n');

describe('hostile files', () => {
  test.each<[string, string | Uint8Array, string]>([
    ['10 MB', 'x'.repeat(10_000_000), 'is larger than 1 MiB'],
    ['nested brackets', '['.repeat(500_000), 'nested more than 64 levels deep'],
    ['nested dashes', '- '.repeat(500_000), 'nested more than 64 levels deep'],
    ['nested maps', `a: ${'{a: '.repeat(500)}`, 'nested more than 64 levels deep'],
    ['alias bomb', bomb, 'aliases repeat more than 10000 values'],
    ['alias to itself', 'a: &a [*a]', 'the alias *a contains itself'],
    ['alias to nothing', 'log: *nothing', 'no anchor &nothing comes before this alias'],
    ['tab as indentation', 'server:\n\tport: 1', 'a tab is used as indentation'],
    ['binary', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 0), 'is not a text file'],
    ['not UTF-8', Uint8Array.of(0x61, 0x3a, 0xff), 'is not UTF-8 text'],
    ['prototype', '__proto__: { port: 1 }', '__proto__: unknown key "__proto__"'],
    ['prototype within', 'server: { __proto__: { port: 1 } }', 'server.__proto__: unknown key "__proto__"'],
    ['constructor', 'constructor: 1', 'unknown key "constructor"'],
    ['merge key', 'server: { <<: { port: 1 } }', 'merge keys (<<) are not supported'],
    ['list as key', '? [a]\n: b', 'a key must be plain text'],
    ['number as id', 'models: [{ id: 123, targets: [] }]', 'put it in quotes'],
    ['true as id', 'models: [{ id: true, targets: [] }]', 'put it in quotes'],
    ['octal', 'server: { port: 010 }', 'octal or hexadecimal'],
    ['new octal', 'server: { port: 0o17 }', 'octal or hexadecimal'],
    ['hexadecimal', 'server: { port: 0x50 }', 'octal or hexadecimal'],
    ['octal in quotes', 'server: { port: "010" }', 'expected a number but found text'],
    ['infinite', 'server: { port: .inf }', 'expected a number but found a number that is not finite'],
    [
      'beyond all numbers',
      'models: [{ id: m, targets: [{ provider: simulator, model: a, weight: 1e400 }] }]',
      'not finite',
    ],
    ['list for a map', 'server: []', 'expected a map but found a list'],
    ['map for a list', 'models: {}', 'expected a list but found a map'],
    ['list at the top', '- a', 'expected a map of sections at the top'],
    ['text at the top', 'hello', 'expected a map of sections at the top'],
    ['duplicate key', 'log:\nserver:\nlog:', '3:1 log: duplicate key "log"; line 1 already has it'],
    ['duplicate key in other clothes', '"log":\nlog:', '2:1 log: duplicate key "log"; line 1 already has it'],
    ['two documents', 'log:\n---\nlog:', 'a second YAML document'],
    ['tag', 'log: !!js/function x', 'an unknown !tag'],
    ['older YAML', '%YAML 1.1\n---\nserver: { docs: yes }', 'expected true or false but found text'],
    ['control characters', 'default_model: "a\\0b"', 'must not contain spaces or control characters'],
    ['never closed', 'a: [1, 2', 'not valid YAML'],
    ['reference in braces', `server: { port: $${'{PORT}'} }`, 'needs quotes'],
  ])('%s', (_name, text, message) => {
    expect(faultsOf(text).join('\n')).toContain(message);
    expect(Object.prototype).not.toHaveProperty('port');
  });

  test('a byte-order mark and Windows line ends are harmless', () => {
    expect(loadText('\uFEFFserver:\r\n  port: 81\r\n').config.server.port).toBe(81);
  });

  test('text or bytes of any kind load or are refused, and nothing else', () => {
    const yamlish = fc
      .array(
        fc.constantFrom(
          'server',
          'models',
          'id',
          ': ',
          '- ',
          '\n',
          '  ',
          '[',
          ']',
          '{',
          '}',
          ',',
          '&a ',
          '*a',
          '"',
          "'",
          '#',
          '|',
          '? ',
          '!t ',
          '$',
          '<<',
          '1',
          '\t',
          '---\n',
        ),
        { maxLength: 60 },
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(yamlish, fc.string(), fc.uint8Array()), (text) => {
        try {
          loadText(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
      { numRuns: runs(1000) },
    );
  });
});
