import { expect, test } from 'bun:test';
import { expectPagePart } from '../page-parts.ts';
import { DEFAULT_VALUES, DOCUMENTED_REQUESTS } from './documented.ts';
import { membersPart } from './page.ts';
import { REQUEST_SECTIONS } from './sections.ts';

/** Each member of each published request type, in every client dialect and on its way to every target. */

const rows = REQUEST_SECTIONS.flatMap(({ title, rows: own }) => own.map((row) => ({ ...row, title })));
const outcomes = rows.flatMap(({ title, label, outcomes: found }) =>
  Object.entries(found).map(([target, outcome]) => ({ title, label, target, ...outcome })),
);

test('no member of a request is dropped without a warning', () => {
  console.log(`${rows.length} members of requests, ${outcomes.length} outcomes`);
  const silent = outcomes.filter(({ word }) => word === 'silent');
  expect(
    silent.map(({ title, label, target, messages }) => [title, label, target, ...messages].join(': ')),
  ).toEqual([]);
});

test('a value that changes nothing, although others do, is a default', () => {
  const unknown = outcomes.flatMap(({ label, target, silentValues }) =>
    silentValues
      .map(String)
      .filter(
        (value) => !DEFAULT_VALUES.some(([pattern, values]) => pattern.test(label) && values.includes(value)),
      )
      .map((value) => `${label}: ${target}: ${value}`),
  );
  expect(unknown).toEqual([]);
});

test('docs/compatibility.md lists the outcomes', () => {
  expectPagePart('members', membersPart(REQUEST_SECTIONS));
});

test('each documented reason is needed', () => {
  const reasons = new Set(outcomes.map(({ reason }) => reason));
  expect(DOCUMENTED_REQUESTS.map(({ reason }) => reason).filter((reason) => !reasons.has(reason))).toEqual(
    [],
  );
});

test('the walk reaches nested members, alternatives and lists', () => {
  const labels = new Set(rows.map(({ label }) => label));
  for (const label of [
    'messages[](role=user).content[](type=image_url).image_url.detail',
    'input[](type=function_call_output).output[](type=input_file).filename',
    'messages[](role=user).content[](type=tool_result).content[](type=text).cache_control(type=ephemeral).ttl',
    'tools[](type=custom).custom.format(type=grammar).grammar.syntax',
  ]) {
    expect(labels).toContain(label);
  }
  expect(rows.length).toBeGreaterThan(2_000);
});
