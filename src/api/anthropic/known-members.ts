import { ownValue } from '../../core/json.ts';
import { type KnownMembers, known } from '../unread-members.ts';

const CACHED = { cache_control: known('type ttl') };
const source = known('type media_type data url file_id content');

const BLOCKS: Readonly<Record<string, KnownMembers>> = {
  text: known('type text', CACHED),
  image: known('type', { source, ...CACHED }),
  document: known('type title context', { source, citations: known('enabled'), ...CACHED }),
  thinking: known('type thinking signature'),
  redacted_thinking: known('type data'),
  tool_use: known('type id name input', CACHED),
  tool_result: known('type tool_use_id is_error', {
    content: ({ type }) => ownValue(BLOCKS, String(type)),
    ...CACHED,
  }),
};

const blocks = ({ type }: Readonly<Record<string, unknown>>) => ownValue(BLOCKS, String(type));

/** The members of a Messages request that `toChat` reads. Others at the top level and in tools are extensions. */
export const KNOWN_IN_MESSAGES: KnownMembers = known('', {
  system: blocks,
  messages: known('role', { content: blocks }),
  tool_choice: known('type name disable_parallel_tool_use'),
  thinking: known('type budget_tokens display'),
  output_config: known('effort', { format: known('type schema') }),
  output_format: known('type schema'),
  ...CACHED,
});
