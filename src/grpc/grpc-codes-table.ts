import { GatewayError, isErrorCode } from '../core/errors.ts';
import { GRPC_CODE_OF, GRPC_CODES } from './grpc-status.ts';

const BEGIN = '<!-- codes:begin, written by `npm run docs` -->';
const END = '<!-- codes:end -->';

/** @returns the page with the table of codes between its marks */
export function withGrpcCodes(page: string): string {
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END);
  if (from < 0 || to < from) throw new Error('the page has no place for the table of gRPC codes');
  return `${page.slice(0, from)}${BEGIN}\n${table()}\n${page.slice(to)}`;
}

/** One row for each gRPC code, with the errors of Weir that have it. */
function table(): string {
  const codes = Object.keys(GRPC_CODE_OF).filter(isErrorCode);
  const rows = Object.entries(GRPC_CODES).flatMap(([grpc, number]) => {
    const own = codes.filter((code) => GRPC_CODE_OF[code] === grpc);
    if (own.length === 0) return [];
    const errors = own.map((code) => `\`${code}\` (${new GatewayError(code, '').status})`);
    return [`| \`${grpc}\` | ${number} | ${errors.join(', ')} |`];
  });
  return [
    '| gRPC code | number | codes of Weir, with their status over HTTP |',
    '|---|---|---|',
    ...rows,
  ].join('\n');
}
