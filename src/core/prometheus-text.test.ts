import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parsePrometheusText } from './prometheus-text.ts';

const read = (page: string) => {
  const { samples, malformed } = parsePrometheusText(page, () => true);
  return {
    samples: samples.map(({ name, labels, value }) => [name, Object.fromEntries(labels), value]),
    malformed,
  };
};

describe('a metrics page', () => {
  test('has samples with labels, escapes, times and exemplars', () => {
    expect(
      read(
        [
          '# HELP a A.',
          '# TYPE a gauge',
          'a 1',
          'a{} 2.5 1700000000000',
          'vllm:b{x="1",y="a\\"b\\\\c\\nd",} 1e3',
          '  c { x = "}" , y="," }  -0.5',
          'd_bucket{le="+Inf"} 4 # {trace_id="t"} 0.1',
          'e NaN',
          '# EOF',
          '',
        ].join('\n'),
      ),
    ).toEqual({
      samples: [
        ['a', {}, 1],
        ['a', {}, 2.5],
        ['vllm:b', { x: '1', y: 'a"b\\c\nd' }, 1_000],
        ['d_bucket', { le: '+Inf' }, 4],
      ],
      // There is no space before the labels.
      malformed: 1,
    });
  });

  test.each([
    ['<html><body>Not here</body></html>'],
    ['a'],
    ['a one'],
    ['a 0x'],
    ['a +Inf'],
    ['a 1e999'],
    ['a{x=1} 1'],
    ['a{x="1} 1'],
    ['a{x="1"'],
    ['a{x="1" y="2"} 1'],
    ['{"a":1}'],
    [`a{x="${'y'.repeat(20_000)}"} 1`],
    ['\u0000\u0001\u0002'],
  ])('%p is malformed', (line) => {
    expect(read(`${line}\nb 1\n`)).toEqual({ samples: [['b', {}, 1]], malformed: 1 });
  });

  test('never throws, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        parsePrometheusText(`a{${text}`, () => true);
        parsePrometheusText(text, () => true);
      }),
    );
  });

  test('is read in linear time', () => {
    const time = (size: number) => {
      const page = `a{${'x="\\\\"'.repeat(2_000)}\n`.repeat(size);
      const start = performance.now();
      parsePrometheusText(page, () => true);
      return performance.now() - start;
    };
    time(50);
    const small = Math.max(1, time(50));
    expect(time(400)).toBeLessThan(small * 8 * 6);
  });
});
