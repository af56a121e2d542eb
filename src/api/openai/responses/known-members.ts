import { ownValue } from '../../../core/json.ts';
import { type KnownMembers, known } from '../../unread-members.ts';

const CACHED = 'prompt_cache_breakpoint';

const PARTS: Readonly<Record<string, KnownMembers>> = {
  input_text: known(`type text ${CACHED}`),
  output_text: known(`type text ${CACHED}`),
  text: known(`type text ${CACHED}`),
  input_image: known(`type image_url file_id detail ${CACHED}`),
  input_file: known(`type filename file_id file_data file_url ${CACHED}`),
  refusal: known('type refusal'),
};

const content = ({ type }: Readonly<Record<string, unknown>>) => ownValue(PARTS, String(type));

/** Items repeat their id and status when a client sends them back. */
const message = known('type role id status', { content });
const result = known('type id status call_id', { output: content });

const ITEMS: Readonly<Record<string, KnownMembers>> = {
  message,
  reasoning: known('type id status encrypted_content', {
    summary: known('type text'),
    content: known('type text'),
  }),
  function_call: known('type id status call_id name arguments namespace'),
  custom_tool_call: known('type id status call_id name input namespace'),
  function_call_output: result,
  custom_tool_call_output: result,
};

/** The members of a Responses request that `toChat` reads. Others at the top level and in tools are extensions. */
export const KNOWN_IN_RESPONSES: KnownMembers = known('', {
  input: ({ type = 'message' }) => ownValue(ITEMS, String(type)),
  reasoning: known('effort summary generate_summary'),
  stream_options: known('include_obfuscation'),
  text: known('verbosity', { format: known('type name description schema strict') }),
});
