import { isRecord, parseJsonText } from '../../core/json.ts';

/** Questions of a batch, which its lines repeat for many products. */
const QUESTIONS = ['Summarise the reviews of', 'Write a product text for', 'Name three uses of'] as const;
const PRODUCTS = [
  ...['the folding lamp', 'the oak table', 'the wool blanket', 'the steel kettle', 'the garden chair'],
  ...['the desk organiser', 'the linen curtain', 'the cast-iron pan'],
];
const MODEL = 'assistant-mini';

const line = (id: string, content: string, model = MODEL): string =>
  JSON.stringify({
    ...{ custom_id: id, method: 'POST', url: '/v1/chat/completions' },
    body: { model, messages: [{ role: 'user', content }] },
  });

/** Files of batches: one runs, one has a line that fails, one is not valid. */
const FILES: readonly { readonly name: string; readonly lines: readonly string[] }[] = [
  {
    name: 'product-texts.jsonl',
    lines: PRODUCTS.flatMap((product, at) =>
      QUESTIONS.map((question, of) => line(`product-${at}-${of}`, `${question} ${product}.`)),
    ),
  },
  {
    name: 'complaints.jsonl',
    lines: [
      line('complaint-1', 'Sort: the lamp is blue, and I ordered a green one.'),
      line('complaint-2', 'Sort: the parcel came back to you.'),
      line('complaint-3', 'Sort: I was charged twice.', 'assistant-retired'),
    ],
  },
  {
    name: 'import.jsonl',
    lines: [
      line('row-1', 'Translate: garden chair.'),
      '{"custom_id": "row-2",',
      line('row-1', 'Translate: pan.'),
    ],
  },
];
const QUEUED = [
  'Draft the newsletter for December.',
  'Compare the suppliers of oak.',
  'Plan the stock of lamps.',
];

/** Creates batches and queues requests, as applications do. Never rejects: the demo goes on without them. */
export async function addWork(
  url: string,
  secret: string,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  const authorization = `Bearer ${secret}`;
  const json = { authorization, 'content-type': 'application/json' };
  const send = async (path: string, init: RequestInit): Promise<Readonly<Record<string, unknown>>> => {
    const response = await fetch(url + path, { method: 'POST', signal, ...init });
    const body = parseJsonText(await response.text());
    if (!response.ok || !isRecord(body)) throw new Error(`${path} responds with ${response.status}`);
    return body;
  };
  try {
    for (const { name, lines } of FILES) {
      const form = new FormData();
      form.set('purpose', 'batch');
      form.set('file', new File([lines.join('\n')], name));
      const { id: input_file_id } = await send('/v1/files', { headers: { authorization }, body: form });
      const batch = { input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h' };
      await send('/v1/batches', { headers: json, body: JSON.stringify(batch) });
    }
    for (const content of QUEUED) {
      await send('/v1/chat/completions', {
        headers: { ...json, prefer: 'respond-async' },
        body: JSON.stringify({ model: MODEL, messages: [{ role: 'user', content }] }),
      });
    }
  } catch (error) {
    if (!signal.aborted) onError(error);
  }
}
