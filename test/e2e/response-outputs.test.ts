import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { at, listAt, textAt, valueAt } from '../compat/answer.ts';
import { dataEvents, eventStream, json } from '../support/scripts.ts';
import { ANSWERS, type Families, lastBody, startFamilies } from './helpers/families.ts';
import { events } from './helpers/translation.ts';

/** What providers give beside text, in the places that the client's dialect has for it. */

let families: Families;
beforeAll(async () => {
  families = await startFamilies();
});
afterAll(() => families.stop());

const PNG = 'iVBORw0KGgoAAAANSUhEUg==';
const JPEG = '/9j/4AAQSkZJRg==';
const inline = (mimeType: string, data: string) => ({ inlineData: { mimeType, data } });

describe('an image of the model', () => {
  test('is an item of a response, plain', async () => {
    families.mock.respond(ANSWERS.gemini([{ text: 'Here:' }, inline('image/png', PNG), { text: 'Done.' }]));
    const response = await families.openai.responses.create({ model: 'gemini', input: 'Draw.' });
    expect(response.output).toMatchObject([
      { type: 'message', content: [{ text: 'Here:' }] },
      { type: 'image_generation_call', status: 'completed', result: PNG, output_format: 'png' },
      { type: 'message', content: [{ text: 'Done.' }] },
    ]);
    expect(response.output_text).toBe('Here:Done.');
    expect(new Set(response.output.map(({ id }) => id)).size).toBe(3);
  });

  test('is an item of a response, streamed with the events of the tool', async () => {
    const image = { type: 'image_url', image_url: { url: `data:image/jpeg;base64,${JPEG}` } };
    families.mock.respond(
      eventStream(
        dataEvents([
          { id: 'c', choices: [{ index: 0, delta: { content: 'Here:' } }] },
          { id: 'c', choices: [{ index: 0, delta: { images: [image] } }] },
          { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
        ]),
      ),
    );
    const stream = families.openai.responses.stream({ model: 'chat', input: 'Draw.' });
    const seen: unknown[] = [];
    for await (const event of stream) {
      const index = valueAt(event, 'output_index');
      const isItem = event.type.startsWith('response.output_item');
      if (isItem && index === 1) seen.push([event.type, valueAt(event, 'item', 'result')]);
      if (event.type.startsWith('response.image')) seen.push([event.type, index]);
    }
    expect(seen).toEqual([
      ['response.output_item.added', null],
      ['response.image_generation_call.in_progress', 1],
      ['response.image_generation_call.generating', 1],
      ['response.image_generation_call.completed', 1],
      ['response.output_item.done', JPEG],
    ]);
    const { output } = await stream.finalResponse();
    expect(output[1]).toMatchObject({ type: 'image_generation_call', result: JPEG });
  });

  test('leaves a text in messages, which have no place for it', async () => {
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } };
    const linked = { type: 'image_url', image_url: { url: 'https://pictures.test/a.png' } };
    const body = { model: 'chat', max_tokens: 9, messages: [{ role: 'user' as const, content: 'Draw.' }] };
    const expected = [
      { type: 'text', text: expect.stringContaining('image data of type image/png') },
      { type: 'text', text: '![image](https://pictures.test/a.png)' },
    ];
    families.mock.respond(ANSWERS.chat({ content: null, images: [image, linked] }));
    expect((await families.anthropic.messages.create(body)).content).toMatchObject(expected);
    families.mock.respond(
      eventStream(
        dataEvents([
          { id: 'c', choices: [{ index: 0, delta: { images: [image, linked] } }] },
          { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
        ]),
      ),
    );
    const message = await families.anthropic.messages.stream(body).finalMessage();
    expect(message.content).toMatchObject(expected);
  });

  test('is a link in a response where the provider sends its address', async () => {
    const linked = { type: 'image_url', image_url: { url: 'https://pictures.test/a.png' } };
    const body = { model: 'chat', input: 'Draw.' };
    families.mock.respond(ANSWERS.chat({ content: null, images: [linked] }));
    const plain = await families.openai.responses.create(body);
    expect(plain.output_text).toBe('![image](https://pictures.test/a.png)');
    families.mock.respond(
      eventStream(
        dataEvents([
          { id: 'c', choices: [{ index: 0, delta: { content: 'See ' } }] },
          { id: 'c', choices: [{ index: 0, delta: { images: [linked] } }] },
          { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
        ]),
      ),
    );
    const stream = families.openai.responses.stream(body);
    let text = '';
    for await (const event of stream) if (event.type === 'response.output_text.delta') text += event.delta;
    expect(text).toBe('See ![image](https://pictures.test/a.png)');
    expect((await stream.finalResponse()).output).toMatchObject([
      { type: 'message', content: [{ text: 'See ' }, { text: '![image](https://pictures.test/a.png)' }] },
    ]);
  });

  test('returns to a model that sees the images of its turns', async () => {
    const image = { type: 'image_generation_call', id: 'ig_1', status: 'completed', result: JPEG };
    const input = [{ role: 'user', content: 'Draw.' }, image, { role: 'user', content: 'Larger.' }];
    families.mock.respond(ANSWERS.gemini([{ text: 'Done.' }]));
    await families.post('/v1/responses', { model: 'gemini', input });
    expect(at(lastBody(families.mock), 'contents', 1)).toEqual({
      role: 'model',
      parts: [inline('image/jpeg', JPEG)],
    });
    const messages = [
      { role: 'user', content: 'Draw.' },
      {
        role: 'assistant',
        content: 'Here:',
        images: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } }],
      },
      { role: 'user', content: 'Larger.' },
    ];
    families.mock.respond(ANSWERS.gemini([{ text: 'Done.' }]));
    await families.post('/v1/chat/completions', { model: 'gemini', messages });
    expect(listAt(lastBody(families.mock), 'contents', 1, 'parts')).toEqual([
      { text: 'Here:' },
      inline('image/png', PNG),
    ]);
  });
});

const CHOSEN = [
  { token: 'Ok', logProbability: -0.25 },
  { token: '💧', logProbability: -0.5 },
  { token: '!', logProbability: -1 },
];
const TOP = CHOSEN.map((one) => ({ candidates: [one, { token: 'x', logProbability: -3 }] }));
const withLogprobs = (from: number, to: number) => ({
  chosenCandidates: CHOSEN.slice(from, to),
  topCandidates: TOP.slice(from, to),
});
const candidate = (text: string, from: number, to: number, finishReason?: string) => ({
  responseId: 'r',
  candidates: [
    {
      index: 0,
      content: { role: 'model', parts: [{ text }] },
      logprobsResult: withLogprobs(from, to),
      ...(finishReason === undefined ? {} : { finishReason }),
    },
  ],
});

describe('log probabilities', () => {
  const EXPECTED = {
    tokens: ['Ok', '💧', '!'],
    token_logprobs: [-0.25, -0.5, -1],
    top_logprobs: [
      { Ok: -0.25, x: -3 },
      { '💧': -0.5, x: -3 },
      { '!': -1, x: -3 },
    ],
    text_offset: [0, 2, 3],
  };
  const body = { model: 'gemini', prompt: 'Hi', logprobs: 2 };
  test('reach clients of legacy completions', async () => {
    families.mock.respond(json(candidate('Ok💧!', 0, 3, 'STOP')));
    const completion = await families.openai.completions.create(body);
    expect(at(lastBody(families.mock), 'generationConfig')).toMatchObject({
      responseLogprobs: true,
      logprobs: 2,
    });
    expect(completion.choices[0]).toMatchObject({ text: 'Ok💧!', logprobs: EXPECTED });
  });

  test('are streamed with offsets that go on', async () => {
    const chunks = [candidate('Ok', 0, 1), candidate('💧!', 1, 3, 'STOP')];
    families.mock.respond(eventStream(dataEvents(chunks, { done: false })));
    const joined: Record<string, unknown[]> = {};
    for await (const chunk of await families.openai.completions.create({ ...body, stream: true })) {
      for (const name of Object.keys(EXPECTED)) {
        joined[name] = [...(joined[name] ?? []), ...listAt(chunk.choices[0]?.logprobs, name)];
      }
    }
    expect(joined).toEqual(EXPECTED);
  });

  test('are absent where they were not requested or have no alternatives', async () => {
    families.mock.respond(ANSWERS.gemini([{ text: 'Hi' }]));
    const without = await families.openai.completions.create({ model: 'gemini', prompt: 'Hi' });
    expect(without.choices[0]?.logprobs).toBeNull();
    const bare = candidate('Ok', 0, 1, 'STOP');
    const { topCandidates: _, ...chosen } = withLogprobs(0, 1);
    Object.assign(at(bare, 'candidates', 0), { logprobsResult: chosen });
    families.mock.respond(json(bare));
    const choice = (await families.openai.completions.create({ ...body, logprobs: 0 })).choices[0];
    expect(choice?.logprobs).toMatchObject({ tokens: ['Ok'], top_logprobs: null });
  });

  test('reach clients of responses, plain and streamed', async () => {
    const request = {
      model: 'gemini',
      input: 'Hi',
      include: ['message.output_text.logprobs' as const],
      top_logprobs: 2,
    };
    families.mock.respond(json(candidate('Ok💧!', 0, 3, 'STOP')));
    const plain = await families.openai.responses.create(request);
    expect(listAt(plain.output[0], 'content', 0, 'logprobs').map((one) => textAt(one, 'token'))).toEqual(
      EXPECTED.tokens,
    );
    const chunks = [candidate('Ok', 0, 1), candidate('💧!', 1, 3, 'STOP')];
    families.mock.respond(eventStream(dataEvents(chunks, { done: false })));
    const final = await families.openai.responses.stream(request).finalResponse();
    expect(listAt(final.output[0], 'content', 0, 'logprobs').map((one) => textAt(one, 'token'))).toEqual(
      EXPECTED.tokens,
    );
  });
});

describe('an abnormal end of a forwarded response', () => {
  const ended = (finish_reason: string) => ({
    id: 'c',
    choices: [{ index: 0, delta: {}, finish_reason, native_finish_reason: 'overloaded' }],
  });
  const started = { id: 'c', choices: [{ index: 0, delta: { role: 'assistant', content: 'Half' } }] };

  for (const reason of ['error', 'abort', 'insufficient_system_resource']) {
    test(`is an error, not a success: "${reason}"`, async () => {
      const messages = [{ role: 'user', content: 'Hi' }];
      families.mock.when(() => true, eventStream(dataEvents([started, ended(reason)])), 1);
      const response = await families.post('/v1/chat/completions', { model: 'chat', stream: true, messages });
      const text = await response.text();
      expect(text).toContain('Half');
      expect(text).not.toContain('[DONE]');
      const last = events(text).at(-1);
      expect(textAt(last, 'error', 'message')).toContain(`"${reason}" (overloaded)`);
      expect(textAt(last, 'error', 'code')).toBe('upstream_invalid_response');
    });
  }

  test('is an error with its status where nothing was sent', async () => {
    const messages = [{ role: 'user', content: 'Hi' }];
    const choice = { index: 0, finish_reason: 'error', message: { role: 'assistant', content: '' } };
    const answers = [eventStream(dataEvents([ended('error')])), json({ choices: [choice] })];
    for (const [index, answer] of answers.entries()) {
      families.mock.respond(answer);
      const body = { model: 'chat', stream: index === 0, messages };
      const response = await families.post('/v1/chat/completions', body);
      expect(response.status).toBe(502);
      expect(textAt(await response.json(), 'error', 'code')).toBe('upstream_invalid_response');
    }
  });
});
