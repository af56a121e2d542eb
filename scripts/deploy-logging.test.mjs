import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/**
 * Checks the configurations in `deploy/logging` without their programs, which no package registry has: that they are YAML, name
 * only options of the programs' references, refer to parts that exist, and to fields that lines of Weir have.
 */

const read = (path) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
/** Fields of lines, as `docs/logs.md` lists them. */
const FIELDS = new Set(
  [...read('docs/logs.md').matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(([, names]) =>
    names.match(/\w+/g),
  ),
);

/** Options by component type; those of Vector 0.40 and newer. */
const VECTOR_OPTIONS = {
  'sources.file': ['include', 'read_from', 'fingerprint.strategy', 'max_line_bytes'],
  'transforms.remap': ['inputs', 'drop_on_error', 'source'],
  'sinks.loki': [
    ...[
      'inputs',
      'endpoint',
      'labels.service_name',
      'encoding.codec',
      'remove_timestamp',
      'out_of_order_action',
    ],
    ...['buffer.type', 'buffer.max_size', 'buffer.when_full'],
  ],
  'sinks.elasticsearch': [
    ...['inputs', 'endpoints', 'auth.strategy', 'auth.user', 'auth.password', 'mode', 'compression'],
    ...['data_stream.type', 'data_stream.dataset', 'data_stream.namespace'],
    ...['buffer.type', 'buffer.max_size', 'buffer.when_full'],
  ],
};

/** Paths of values, such as `buffer.type`. */
function pathsOf(value, prefix = '') {
  return Object.entries(value).flatMap(([key, member]) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? pathsOf(member, `${prefix}${key}.`)
      : [`${prefix}${key}`],
  );
}

test('the page lists fields', () => {
  expect([...FIELDS]).toEqual(
    expect.arrayContaining(['request_id', 'trace_id', 'cost', 'address', 'level', 'time']),
  );
});

describe.each(['vector.yaml', 'vector-elasticsearch.yaml'])('deploy/logging/%s', (name) => {
  const text = read(`deploy/logging/${name}`);
  const { data_dir: _, ...sections } = parse(text);

  test('has options of Vector only, and inputs that exist', () => {
    const ids = new Set();
    for (const [section, components] of Object.entries(sections)) {
      for (const [id, { type, ...options }] of Object.entries(components)) {
        const known = VECTOR_OPTIONS[`${section}.${type}`] ?? [];
        expect({ id, unknown: pathsOf(options).filter((path) => !known.includes(path)) }).toEqual({
          id,
          unknown: [],
        });
        for (const input of options.inputs ?? []) expect([input, ids.has(input)]).toEqual([input, true]);
        ids.add(id);
      }
    }
    // The buffer on disk is at least as large as Vector demands.
    for (const { buffer } of Object.values(sections.sinks))
      expect(buffer.max_size).toBeGreaterThanOrEqual(268_435_488);
  });

  test('uses fields that lines have', () => {
    const used = [...text.matchAll(/\brecord\.(\w+)/g)].map(([, field]) => field);
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((field) => !FIELDS.has(field))).toEqual([]);
  });

  test('has no label that grows with tenants or models', () => {
    expect(
      Object.values(sections.sinks).flatMap(({ labels = {} }) => Object.values(labels)),
    ).not.toContainEqual(expect.stringContaining('{{'));
  });
});

describe('deploy/logging/filebeat.yml', () => {
  const text = read('deploy/logging/filebeat.yml');
  const config = parse(text);

  test('has inputs, processors and an output with options of Filebeat only', () => {
    expect(Object.keys(config)).toEqual([
      ...['filebeat.inputs', 'processors', 'output.elasticsearch'],
      ...['setup.template.enabled', 'setup.ilm.enabled'],
    ]);
    const [input] = config['filebeat.inputs'];
    expect(Object.keys(input)).toEqual([
      ...['type', 'id', 'paths', 'file_identity.native', 'prospector.scanner.fingerprint.enabled'],
      ...['message_max_bytes', 'parsers'],
    ]);
    expect(config.processors.map((one) => Object.keys(one)[0])).toEqual([
      ...['drop_event', 'timestamp', 'rename', 'convert', 'drop_fields', 'add_fields'],
    ]);
    expect(Object.keys(config['output.elasticsearch'])).toEqual(['hosts', 'username', 'password', 'index']);
  });

  test('uses fields that lines have', () => {
    const used = [...text.matchAll(/\bweir\.(\w+)/g)].map(([, field]) => field);
    expect(used.filter((field) => !FIELDS.has(field))).toEqual([]);
  });

  test('reads the time as Weir writes it', () => {
    const { timestamp } = config.processors[1];
    expect(timestamp.test[0]).toBe(new Date(timestamp.test[0]).toISOString());
    expect(timestamp.layouts[0].replace('2006-01-02T15:04:05', '2026-11-29T23:15:00')).toBe(
      timestamp.test[0],
    );
  });
});
