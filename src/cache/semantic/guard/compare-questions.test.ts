import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { compareQuestions, type GuardReason } from './compare-questions.ts';

const MATCHES: readonly (readonly [string, string])[] = [
  ['How do I reset my password?', 'Hi, could you please tell me how to reset my password? Thanks!'],
  ['How do I reset my password?', 'What are the steps to reset my password?'],
  ['What is 15% of 200?', 'Calculate fifteen percent of two hundred.'],
  ['What happened in World War II?', 'What happened in the second world war?'],
  ['Who wrote Hamlet?', 'Who is the author of Hamlet?'],
  ["Who is Microsoft's CEO?", 'Who is the CEO of Microsoft?'],
  ['How do I reverse a string in Python?', 'In Python, how can I reverse a string?'],
  ['What can I buy for $20?', 'What can I buy for 20 dollars?'],
  ['Is 5km far?', 'Is 5 kilometres far?'],
  ['Show the first ٣ rows.', 'Show the first 3 rows.'],
  ['What are flights from Paris to Rome?', 'What are flights to Rome from Paris?'],
  ["How do I delete a user's files?", 'How do I remove the files of a user?'],
  ['What are the benefits of sleep?', 'What are the advantages of sleep?'],
  ["Where is James' car?", "Where is James's car?"],
  ['Comment annuler mon abonnement ?', 'Comment est-ce que je peux annuler mon abonnement ?'],
];

const REJECTED: readonly (readonly [GuardReason, string, string])[] = [
  ['number', 'What was the GDP of France in 2023?', 'What was the GDP of France in 2024?'],
  ['number', 'Who was Henry VIII?', 'Who was Henry VII?'],
  ['number', 'Cook it for ٣ minutes.', 'Cook it for ٥ minutes.'],
  ['number', 'What is twenty-one times two?', 'What is twenty-two times two?'],
  ['unit', 'Is 5 mg safe?', 'Is 5 g safe?'],
  ['unit', 'Is the meeting at 3 am?', 'Is the meeting at 3 pm?'],
  ['currency', 'What is $20 worth?', 'What is €20 worth?'],
  ['negation', 'Is it safe to mix bleach and ammonia?', 'Is it not safe to mix bleach and ammonia?'],
  ['negation', 'Why can I log in?', "Why can't I log in?"],
  ['quantifier', 'Do all birds fly?', 'Do some birds fly?'],
  ['quantifier', 'Who has few friends?', 'Who has a few friends?'],
  ['quantifier', "How do I delete a user's files?", "How do I delete the users' file?"],
  ['quantifier', "How do I delete a user's files?", "How do I delete a user's file?"],
  ['quantifier', "Where is my brother's car?", "Where is my brothers' car?"],
  ['quantifier', "How do I delete a customer's data?", 'How do I delete customer data?'],
  ['quantifier', 'How do I delete the old file?', 'How do I delete the old files?'],
  ['quantifier', 'How do I cancel my order?', 'How do I cancel my orders?'],
  ['comparative', 'Is Paris bigger than London?', 'Is Paris older than London?'],
  ['antonym', 'How do I increase my blood pressure?', 'How do I lower my blood pressure?'],
  ['antonym', 'How do I install the driver?', 'How do I uninstall the driver?'],
  ['antonym', 'How do I turn on notifications?', 'How do I turn off notifications?'],
  ['name', 'What is the capital of Austria?', 'What is the capital of Australia?'],
  ['name', 'Tell me about us.', 'Tell me about the US.'],
  ['name', 'How do I clean windows?', 'How do I clean Windows?'],
  ['quoted', 'What does "affect" mean?', 'What does "effect" mean?'],
  ['code', 'What does `a == b` do?', 'What does `a === b` do?'],
  ['language', 'What is Bitcoin?', 'Was ist Bitcoin?'],
  ['intent', 'How do I cancel my order?', 'Can I cancel my order?'],
  ['intent', 'The server is down.', 'Is the server down?'],
  ['tense', 'Who is the president of France?', 'Who was the president of France?'],
  ['preposition', 'What are flights to Berlin?', 'What are flights from Berlin?'],
  ['preposition', 'Should I eat before work?', 'Should I eat after work?'],
  ['words', 'How do I delete my account?', 'How do I delete my project?'],
  ['words', 'Explain recursion.', 'Explain recursion to a child.'],
  ['order', 'Does Anna owe Ben money?', 'Does Ben owe Anna money?'],
  ['order', 'How do I convert JSON to XML?', 'How do I convert XML to JSON?'],
  ['order', 'Fly from Paris in May to Rome in June.', 'Fly from Paris in June to Rome in May.'],
  ['length', 'def f():\n  return 1\nWhy?', 'def f():\n    return 1\nWhy?'],
];

describe('questions that may share a response', () => {
  test.each(MATCHES)('%p is %p', (a, b) => {
    expect(compareQuestions(a, b)).toEqual({ matches: true });
    expect(compareQuestions(b, a)).toEqual({ matches: true });
  });
});

describe('questions that may not', () => {
  test.each(REJECTED)('%s: %p is not %p', (reason, a, b) => {
    expect(compareQuestions(a, b)).toMatchObject({ matches: false, reason });
    expect(compareQuestions(b, a)).toMatchObject({ matches: false, reason });
  });

  test('an added word that nothing knows is a difference, wherever it stands', () => {
    const words = 'How do I send a parcel to my sister in Lyon'.split(' ');
    const whole = `${words.join(' ')}?`;
    for (let at = 1; at <= words.length; at += 1) {
      const longer = `${words.toSpliced(at, 0, 'zyx').join(' ')}?`;
      expect(compareQuestions(whole, longer)).toMatchObject({ matches: false });
    }
  });

  test('numbers in every form are compared by their value', () => {
    const same = ['1,000,000', '1000000', '1 million', 'one million'];
    for (const a of same) {
      for (const b of same) expect(compareQuestions(`Is ${a} a lot?`, `Is ${b} a lot?`).matches).toBe(true);
      expect(compareQuestions(`Is ${a} a lot?`, 'Is 1,000,001 a lot?').matches).toBe(false);
    }
  });

  test('property: any text is itself, a verdict is symmetric, and nothing throws', () => {
    const word = fc.constantFrom(
      ...[
        'how',
        'do',
        'i',
        'the',
        'of',
        'in',
        'Paris',
        "it's",
        '5',
        '5km',
        '$20',
        'not',
        ',',
        '.',
        '?',
        '`a`',
        '"q"',
        'I',
        'II',
      ],
      ...[
        'who',
        'is',
        'what',
        'when',
        'to',
        'a',
        'one',
        'first',
        'US',
        'x_y',
        'été',
        '東京',
        '٣',
        '(',
        '-',
        '😀',
        '\n',
        'and',
      ],
    );
    const text = fc.oneof(
      fc.array(word, { maxLength: 30 }).map((words) => words.join(' ')),
      fc.string({ unit: 'grapheme', maxLength: 80 }),
    );
    fc.assert(
      fc.property(text, text, (a, b) => {
        const verdict = compareQuestions(a, b);
        expect(compareQuestions(b, a).matches).toBe(verdict.matches);
        const own = compareQuestions(a, a);
        expect(own.matches || own.reason === 'length').toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test.each(['_', '$', '(', ' of', ' and one', 'a@', 'x^', '1,', 'I.', ' is there', "'", ' who'])(
    'a text of %p takes no time that grows faster than it',
    (piece) => {
      const text = piece.repeat(600).slice(0, 600);
      const startedAt = performance.now();
      for (let turn = 0; turn < 10; turn += 1) compareQuestions(text, text);
      // About 1 ms each; a pattern that backtracks takes seconds.
      expect(performance.now() - startedAt).toBeLessThan(2_000);
    },
  );

  test('long texts take linear time', () => {
    const text = `${'abc defg '.repeat(60)}?`;
    expect(compareQuestions(text, text).matches).toBe(true);
    expect(compareQuestions(text.repeat(100), text.repeat(100))).toMatchObject({ reason: 'length' });
  });
});
