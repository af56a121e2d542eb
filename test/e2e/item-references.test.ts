import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { at, listAt, textAt, valueAt } from '../compat/answer.ts';
import { gatewayInProcess } from '../support/gateway-in-process.ts';
import { json } from '../support/scripts.ts';
import { ANSWERS, type Families, lastBody, startFamilies } from './helpers/families.ts';
import { Organisation } from './helpers/organisation.ts';
import { CHAT, RESPONSE } from './helpers/translation.ts';

/** Input items that stand for stored ones, as clients send that keep ids instead of items. */

let families: Families;
beforeAll(async () => {
  families = await startFamilies();
});
afterAll(() => families.stop());

const TOOL = {
  type: 'function' as const,
  name: 'look',
  parameters: { type: 'object' },
  strict: false,
};
const user = (content: string) => ({ role: 'user' as const, content });
const reference = (id: string | undefined) => ({ type: 'item_reference' as const, id: id ?? '' });

/** A response with reasoning, a text and a call; the ids of its items. */
async function stored(): Promise<readonly string[]> {
  const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"a":1}' } };
  families.mock.respond(
    ANSWERS.chat({ reasoning_content: 'Hm.', content: 'Looking.', tool_calls: [call] }, 'tool_calls'),
  );
  const response = await families.openai.responses.create({ model: 'chat', input: 'Hi', tools: [TOOL] });
  return response.output.map((item) => textAt(item, 'id'));
}

const output = { type: 'function_call_output' as const, call_id: 'call_1', output: 'seen' };

describe('references to items of a stored response', () => {
  test('are resolved, with or without their type', async () => {
    const ids = await stored();
    expect(ids).toHaveLength(3);
    for (const items of [ids.map(reference), ids.map((id) => ({ id }))]) {
      families.mock.respond(CHAT());
      const body = { model: 'chat', input: [user('Hi'), ...items, output], tools: [TOOL] };
      const response = await families.post('/v1/responses', body);
      expect(response.status).toBe(200);
      expect(listAt(lastBody(families.mock), 'messages')).toEqual([
        user('Hi'),
        {
          role: 'assistant',
          content: 'Looking.',
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"a":1}' } }],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'seen' },
      ]);
      // The next response is continued from the items themselves.
      families.mock.respond(CHAT());
      const previous_response_id = textAt(await response.json(), 'id');
      await families.post('/v1/responses', { model: 'chat', input: 'More.', previous_response_id });
      expect(listAt(lastBody(families.mock), 'messages').map((message) => textAt(message, 'role'))).toEqual([
        'user',
        'assistant',
        'tool',
        'assistant',
        'user',
      ]);
    }
  });

  test('name one item, also where the client uses its request id again', async () => {
    const ids: string[] = [];
    for (const content of ['One.', 'Two.']) {
      families.mock.respond(ANSWERS.chat({ content }));
      const body = { model: 'chat', input: 'Hi' };
      const response = await families.post('/v1/responses', body, { 'x-request-id': 'trace:7.a' });
      expect(response.headers.get('x-request-id')).toBe('trace:7.a');
      const json = await response.json();
      ids.push(textAt(json, 'output', 0, 'id'));
      const again = { model: 'chat', input: 'More.', previous_response_id: textAt(json, 'id') };
      families.mock.respond(CHAT());
      await families.post('/v1/responses', again, { 'x-request-id': 'trace:7.a' });
      expect(at(lastBody(families.mock), 'messages', 1)).toMatchObject({ content });
    }
    for (const id of ids) expect(id).toMatch(/^msg_\w+$/);
    families.mock.respond(CHAT());
    await families.openai.responses.create({ model: 'chat', input: [user('Hi'), ...ids.map(reference)] });
    expect(at(lastBody(families.mock), 'messages', 1)).toMatchObject({ content: 'One.Two.' });
  });

  test('may follow "previous_response_id", and name input items too', async () => {
    families.mock.respond(CHAT(), CHAT());
    const first = await families.openai.responses.create({ model: 'chat', input: [user('One.')] });
    const list = await families.openai.responses.inputItems.list(first.id);
    const second = { model: 'chat', previous_response_id: first.id };
    await families.openai.responses.create({ ...second, input: [reference(list.data[0]?.id), user('Two.')] });
    expect(listAt(lastBody(families.mock), 'messages').map((message) => valueAt(message, 'content'))).toEqual(
      ['One.', 'Hello.', 'One.', 'Two.'],
    );
  });

  test('reach an upstream with this API as items, without ids that it does not know', async () => {
    const ids = await stored();
    families.mock.respond(RESPONSE());
    const input = [user('Hi'), ...ids.map(reference), output, reference('msg_of_the_upstream')];
    await families.openai.responses.create({ model: 'responses', input, tools: [TOOL] });
    expect(listAt(lastBody(families.mock), 'input')).toEqual([
      user('Hi'),
      expect.objectContaining({ type: 'message', role: 'assistant' }),
      expect.objectContaining({ type: 'function_call', call_id: 'call_1' }),
      output,
      reference('msg_of_the_upstream'),
    ]);
    for (const id of ids) expect(JSON.stringify(lastBody(families.mock))).not.toContain(id);
  });

  test('to what an upstream has stored stay references there, and are resolved for others', async () => {
    const message = {
      id: 'msg_native_1',
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: 'From the upstream.', annotations: [] }],
    };
    families.mock.respond(
      json({ id: 'resp_n1', object: 'response', status: 'completed', model: 'up', output: [message] }),
      RESPONSE(),
      CHAT(),
    );
    await families.openai.responses.create({ model: 'responses', input: 'Hi' });
    const input = [user('Hi'), reference('msg_native_1'), user('Go on.')];
    await families.openai.responses.create({ model: 'responses', input });
    expect(listAt(lastBody(families.mock), 'input')).toEqual(input);
    await families.openai.responses.create({ model: 'chat', input });
    expect(at(lastBody(families.mock), 'messages', 1)).toMatchObject({
      role: 'assistant',
      content: 'From the upstream.',
    });
  });

  test('that are unknown, deleted or not stored are a 400', async () => {
    const ids = await stored();
    families.mock.respond(CHAT());
    const unstored = await families.openai.responses.create({ model: 'chat', input: 'Hi', store: false });
    families.mock.respond(CHAT());
    const gone = await families.openai.responses.create({ model: 'chat', input: 'Hi' });
    await families.openai.responses.delete(gone.id);
    const unknown = ['msg_none', unstored.output[0]?.id ?? '', gone.output[0]?.id ?? '', `item_${gone.id}_0`];
    for (const id of unknown) {
      const body = { model: 'chat', input: [user('Hi'), reference(ids[1]), reference(id)] };
      const response = await families.post('/v1/responses', body);
      expect(response.status).toBe(400);
      expect(at(await response.json(), 'error')).toMatchObject({
        type: 'invalid_request_error',
        param: 'input',
        message: expect.stringContaining(`Item with id '${id}' not found.`),
      });
    }
    const many = Array.from({ length: 1_001 }, (_, index) => reference(`msg_${index}`));
    const response = await families.post('/v1/responses', { model: 'chat', input: many });
    expect([response.status, textAt(await response.json(), 'error', 'param')]).toEqual([400, 'input']);
  });

  test('of another tenant are unknown, even with the same id of the response', async () => {
    const gateway = await gatewayInProcess();
    try {
      const organisation = new Organisation(gateway);
      const keys: string[] = [];
      for (const tenant of ['one', 'two']) {
        await organisation.done('POST', '/admin/v1/tenants', { id: tenant, name: tenant });
        const member = await organisation.member(tenant, `${tenant}-owner`, 'owner');
        keys.push(String((await organisation.key(tenant, { name: 'k', member })).key));
      }
      const ask = (key: string | undefined, input: unknown) =>
        gateway.call('POST', '/v1/responses', {
          key,
          body: { model: 'simulator', input, max_output_tokens: 5 },
        });
      const first = await ask(keys[0], 'Hi');
      const id = textAt(first.body, 'output', 0, 'id');
      const input = [user('Hi'), reference(id), user('Go on.')];
      expect((await ask(keys[0], input)).status).toBe(200);
      const refused = await ask(keys[1], input);
      expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('not found')]);
      const named = await ask(keys[1], [reference(`item_${textAt(first.body, 'id')}_0`)]);
      expect(named.status).toBe(400);
    } finally {
      await gateway.close();
    }
  });
});
