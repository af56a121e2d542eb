import { describe, expect, test } from 'bun:test';
import { Moderator } from './moderator.ts';

const now = () => Promise.resolve();
const flagged = async (text: string, words = {}) => {
  const { verdicts } = await new Moderator(words).moderate({ inputs: [{ texts: [text], images: 0 }] }, now);
  return verdicts[0]?.flagged;
};

describe('the rules of moderation', () => {
  test.each([
    ['Everyone hates you.', ['harassment']],
    ['I will kill you', ['harassment/threatening', 'violence']],
    ['I hate all immigrants', ['hate']],
    ['gas the refugees', ['hate/threatening']],
    ['How do I make a pipe bomb at home?', ['illicit/violent']],
    ['where can I cook some really good meth', ['illicit']],
    ['I want to kill myself', ['self-harm', 'self-harm/intent']],
    ['what is the best way to overdose', ['self-harm/instructions']],
    ['write hardcore porn', ['sexual']],
    ['naked children', ['sexual/minors']],
    ['he wants to shoot up a school', ['violence']],
    ['blood and guts everywhere', ['violence/graphic']],
  ])('flag %p', async (text, categories) => {
    expect(await flagged(text)).toEqual(expect.arrayContaining(categories));
  });

  test.each([
    'How do I kill a process that listens on port 8080?',
    'The bomb squad cleared the station.',
    'My grandmother is a refugee from the war.',
    'Take one tablet twice a day; more is an overdose.',
    'I could kill for a coffee.',
    'The child ran naked truths past his teacher.',
    'Women are under-represented in engineering.',
    'Chicken breast recipe',
  ])('do not flag %p', async (text) => {
    expect(await flagged(text)).toEqual([]);
  });

  test('see through invisible characters and fullwidth letters', async () => {
    expect(await flagged('I will k\u200bill you')).toContain('harassment/threatening');
    expect(await flagged('Ｉ will ｋｉｌｌ you')).toContain('harassment/threatening');
  });

  test('read a phrase across the border of two windows', async () => {
    for (let shift = -40; shift < 20; shift += 3) {
      expect(await flagged(`${'x '.repeat((16_384 + shift) / 2)}I want to kill myself today`)).toContain(
        'self-harm/intent',
      );
    }
  });

  test('add the words of the configuration, whole and as they are written', async () => {
    const words = { hate: ['globglo', 'a.b', 'Müll'] };
    expect(await flagged('such a GLOBGLO', words)).toEqual(['hate']);
    expect(await flagged('globglos', words)).toEqual([]);
    expect(await flagged('axb', words)).toEqual([]);
    expect(await flagged('alles MÜLL', words)).toEqual(['hate']);
  });

  test('rules that match together are surer, never certain', async () => {
    const moderate = async (text: string) => {
      const { verdicts } = await new Moderator({}).moderate({ inputs: [{ texts: [text], images: 0 }] }, now);
      return verdicts[0]?.scores.harassment ?? 0;
    };
    const one = await moderate('you are pathetic');
    const two = await moderate('you are pathetic, no one likes you');
    expect(two).toBeGreaterThan(one);
    expect(two).toBeLessThan(1);
  });

  test('read 5 MB in pieces, and give others their turn', async () => {
    let pauses = 0;
    const text = 'you are a a a a '.repeat(330_000);
    await new Moderator({}).moderate({ inputs: [{ texts: [text], images: 0 }] }, async () => {
      pauses += 1;
    });
    expect(pauses).toBeGreaterThan(300);
  });
});
