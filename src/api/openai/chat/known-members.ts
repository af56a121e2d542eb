import { ownValue } from '../../../core/json.ts';
import { type KnownMembers, known } from '../../unread-members.ts';

const CACHED = 'cache_control prompt_cache_breakpoint';

const PARTS: Readonly<Record<string, KnownMembers>> = {
  text: known(`type text ${CACHED}`),
  image_url: known(`type ${CACHED}`, { image_url: known('url detail') }),
  input_audio: known(`type ${CACHED}`, { input_audio: known('data format') }),
  file: known(`type ${CACHED}`, { file: known('filename file_data file_id') }),
  refusal: known('type refusal'),
};

const content = ({ type }: Readonly<Record<string, unknown>>) => ownValue(PARTS, String(type));
const call = known('id type index extra_content cache_control', {
  function: known('name arguments'),
  custom: known('name input'),
});
const plain = known('role name', { content });

const MESSAGES: Readonly<Record<string, KnownMembers>> = {
  system: plain,
  developer: plain,
  user: plain,
  assistant: known('role name refusal audio reasoning_content reasoning reasoning_details thinking_blocks', {
    content,
    tool_calls: call,
    function_call: known('name arguments'),
  }),
  tool: known('role name tool_call_id is_error cache_control', { content }),
  function: known('role name content'),
};

/** The members of a chat completions request that `toChat` reads. Others at the top level and in tools are extensions. */
export const KNOWN_IN_CHAT: KnownMembers = known('', {
  messages: ({ role }) => ownValue(MESSAGES, String(role)),
  response_format: known('type schema', { json_schema: known('name description schema strict') }),
  stream_options: known('include_usage include_obfuscation'),
  thinking: known('type budget_tokens token_budget'),
  reasoning: known('effort max_tokens enabled exclude summary'),
});
