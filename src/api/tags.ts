import { GatewayError } from '../core/errors.ts';
import type { HeaderReader } from '../core/http.ts';
import { tag } from '../tenancy/names.ts';

const MAX_TAGS = 10;
const NONE: readonly string[] = [];

/** `x-weir-tags`: labels that usage is counted by, with commas between them; each once. */
export function tagsOf(headers: HeaderReader): readonly string[] {
  const value = headers.get('x-weir-tags');
  if (value === null || value.trim() === '') return NONE;
  const tags = [...new Set(value.split(',').map((one) => one.trim()))];
  if (tags.length <= MAX_TAGS && tags.every((one) => tag.safeParse(one).success)) return tags;
  throw new GatewayError(
    'invalid_request',
    `The header "x-weir-tags" must be up to ${MAX_TAGS} tags with commas between them, such as team=search,env=prod: each of 1 to 100 letters, digits and _ . : = / @ -.`,
    { param: 'x-weir-tags' },
  );
}
