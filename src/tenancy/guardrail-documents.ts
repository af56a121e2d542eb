import { z } from 'zod';
import { guardrail } from '../config/guardrail-schema.ts';
import { once } from '../core/once.ts';

/** Guardrails of one tenant or key. */
const MAX_GUARDRAILS = 20;
/** Characters of all of them. */
const MAX_SIZE = 200_000;

const schema = once(() => guardrail('tenant'));

/** A guardrail as it was written. The configuration's schema fills defaults and converts units, when the guardrail is made. */
const document = z
  .looseObject({ id: z.string(), kind: z.string(), action: z.string() })
  .superRefine((value, context) => {
    const result = schema().safeParse(value);
    if (result.success) return;
    for (const { path, message } of result.error.issues) context.addIssue({ code: 'custom', path, message });
  });

/** Guardrails that a tenant or a key adds to those of the gateway, as they are stored and as the admin API takes them. */
export const guardrailDocuments = z
  .array(document)
  .max(MAX_GUARDRAILS)
  .superRefine((list, context) => {
    const ids = new Set(list.map(({ id }) => id));
    if (ids.size < list.length) context.addIssue({ code: 'custom', message: 'has an id twice' });
    if (JSON.stringify(list).length > MAX_SIZE) {
      context.addIssue({ code: 'custom', message: `has more than ${MAX_SIZE} characters` });
    }
  });
export type GuardrailDocumentList = z.infer<typeof guardrailDocuments>;

/**
 * What is stored is only an object here: it was checked when it was written, and a gateway of an earlier version must still
 * start with the guardrails of a later one.
 */
export const storedGuardrails = z.array(z.record(z.string(), z.unknown()));
