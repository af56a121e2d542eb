import { asObject, type Json } from './json.ts';

/**
 * The rules by which a chat stream may differ from its upstream's, applied to whole bodies. Written for tests to
 * compare with; shares no code with the product on purpose.
 */

/**
 * - `asked`: the client asked for usage, so it comes once, in a last event without choices
 * - `gateway-asked`: the gateway asked for itself; events and members that exist for usage only are taken out. llama.cpp's
 *   timings, which it sends beside usage, stay in an event with an empty choice
 * - `always`: the provider sends usage unasked; it stays as it is
 */
export type UsageMode = 'asked' | 'gateway-asked' | 'always';

const isUsageOnly = (event: Json) => Array.isArray(event.choices) && event.choices.length === 0;

function withoutUsage(event: Json): Json {
  const { usage: _, ...rest } = event;
  return rest;
}

function placeUsage(events: readonly Json[], mode: UsageMode): Json[] {
  if (mode === 'always') return [...events];
  if (mode === 'gateway-asked') {
    return events
      .filter((event) => !(isUsageOnly(event) && event.usage && event.timings === undefined))
      .map((event) => {
        if (event.usage === null) return withoutUsage(event);
        if (!isUsageOnly(event) || !event.usage) return event;
        return { ...withoutUsage(event), choices: [{ index: 0, delta: {}, finish_reason: null }] };
      });
  }
  const reports = events.filter((event) => event.usage);
  const usage = reports.at(-1)?.usage;
  const others = events
    .filter((event) => !(isUsageOnly(event) && event.usage))
    .map((event) => (event.usage ? { ...event, usage: null } : event));
  if (usage === undefined) return others;
  const own = reports.findLast(isUsageOnly);
  const [first] = events;
  const made = { object: first?.object, choices: [] };
  return [...others, { ...(own ?? made), usage }];
}

/** Items of a list, as objects. */
const objectsIn = (list: unknown): Json[] => (Array.isArray(list) ? list.map(asObject) : []);

/** A call that ended without arguments gets those of an empty object, in the event that ends its choice. */
function withEmptyArguments(events: readonly Json[]): Json[] {
  const texts = new Map<string, string>();
  return events.map((event) => {
    const choices = objectsIn(event.choices).map((choice) => {
      const delta = asObject(choice.delta ?? {});
      const calls = objectsIn(delta.tool_calls);
      for (const call of calls) {
        const key = `${String(choice.index)}/${String(call.index)}`;
        const { arguments: text = '' } = asObject(call.function ?? {});
        texts.set(key, (texts.get(key) ?? '') + String(text));
      }
      if (typeof choice.finish_reason !== 'string') return choice;
      const added = [...texts]
        .filter(([key, text]) => text === '' && key.startsWith(`${String(choice.index)}/`))
        .map(([key]) => ({ index: Number(key.split('/')[1]), function: { arguments: '{}' } }));
      if (added.length === 0) return choice;
      return { ...choice, delta: { ...delta, tool_calls: [...calls, ...added] } };
    });
    return Array.isArray(event.choices) ? { ...event, choices } : event;
  });
}

/** The events that a client must get for those of the upstream. `model` is the name that it asked for. */
export function expectedEvents(events: readonly Json[], model: string, mode: UsageMode): Json[] {
  const id = events.find((event) => typeof event.id === 'string' && event.id !== '')?.id;
  const created = events.find((event) => typeof event.created === 'number')?.created;
  return placeUsage(withEmptyArguments(events), mode).map((event) => ({ ...event, id, created, model }));
}
