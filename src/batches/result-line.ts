import { dollarsOfPico } from '../metering/price.ts';
import type { BatchResultRow } from '../storage/sql/batch-tables.ts';
import type { BatchForm } from './batch.ts';

/** Why a line did not run. */
export type UnfinishedReason = 'cancelled' | 'expired';

const MESSAGES: Readonly<Record<UnfinishedReason, { readonly code: string; readonly message: string }>> = {
  expired: {
    code: 'batch_expired',
    message: 'This request could not be executed before the completion window expired.',
  },
  cancelled: { code: 'batch_cancelled', message: 'The batch was cancelled before this request ran.' },
};

/** @returns the line of a result file, with its line break */
export function resultLine(form: BatchForm, row: BatchResultRow): string {
  const { custom_id: customId, status, body, request_id: requestId, cost_pico: pico } = row;
  if (form === 'messages') {
    const result =
      status === 200 ? `{"type":"succeeded","message":${body}}` : `{"type":"errored","error":${body}}`;
    return `{"custom_id":${JSON.stringify(customId)},"result":${result}}\n`;
  }
  const cost = pico === null ? 'null' : JSON.stringify(dollarsOfPico(pico));
  const response = `{"status_code":${status},"request_id":${JSON.stringify(requestId)},"body":${body},"cost_usd":${cost}}`;
  return `{"id":${JSON.stringify(idOf(requestId))},"custom_id":${JSON.stringify(customId)},"response":${response},"error":null}\n`;
}

/** @returns the line of a request that did not run */
export function unfinishedLine(
  form: BatchForm,
  { customId, requestId }: { readonly customId: string; readonly requestId: string },
  reason: UnfinishedReason,
): string {
  if (form === 'messages') {
    const type = reason === 'cancelled' ? 'canceled' : 'expired';
    return `${JSON.stringify({ custom_id: customId, result: { type } })}\n`;
  }
  const line = { id: idOf(requestId), custom_id: customId, response: null, error: MESSAGES[reason] };
  return `${JSON.stringify(line)}\n`;
}

function idOf(requestId: string): string {
  return `batch_req_${requestId.replace(/^(?:msg)?batch_/, '').replace('-', '_')}`;
}
