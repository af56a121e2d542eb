import { type JsonObject, listOf, ownValue } from '../../../core/json.ts';
import { type KnownMembers, known, unreadMembers } from '../../unread-members.ts';
import { clientTool } from './client-tools.ts';

const CACHED = 'prompt_cache_breakpoint';

const PARTS: Readonly<Record<string, KnownMembers>> = {
  input_text: known(`type text ${CACHED}`),
  output_text: known(`type text ${CACHED}`),
  text: known(`type text ${CACHED}`),
  input_image: known(`type image_url file_id detail ${CACHED}`),
  input_file: known(`type filename file_id file_data file_url ${CACHED}`),
  refusal: known('type refusal'),
};

const content = ({ type }: JsonObject) => ownValue(PARTS, String(type));

/** Items repeat their id and status when a client sends them back. */
const message = known('type role id status', { content });
const result = known('type id status call_id', { output: content });

const TOOLS: Readonly<Record<string, KnownMembers>> = {
  custom: known('type name description', { format: known('type syntax definition') }),
  namespace: known('type name description', {
    tools: ({ type }) =>
      type === 'custom' ? TOOLS.custom : known('type name description parameters strict'),
  }),
  local_shell: known('type'),
  apply_patch: known('type'),
};

/** Tools of other types are left out as a whole. */
const tools = (tool: JsonObject) => {
  // Of these, only those that the client runs itself are read.
  if (clientTool(tool) === undefined) return ownValue(TOOLS, String(tool.type));
  if (tool.type === 'tool_search') return known('type execution description parameters');
  if (tool.type !== 'shell') return ownValue(TOOLS, String(tool.type));
  return known('type', { environment: known('type', { skills: known('name description path') }) });
};

/** Results of tools that the client runs itself. */
const clientResult = known('type id status call_id output');

const ITEMS: Readonly<Record<string, KnownMembers>> = {
  message,
  reasoning: known('type id status encrypted_content', {
    summary: known('type text'),
    content: known('type text'),
  }),
  function_call: known('type id status call_id name arguments namespace'),
  custom_tool_call: known('type id status call_id name input namespace'),
  image_generation_call: known('type id status result output_format'),
  function_call_output: result,
  custom_tool_call_output: result,
  shell_call: known('type id status call_id', { action: known('commands timeout_ms max_output_length') }),
  local_shell_call: known('type id status call_id', {
    action: known('type command env timeout_ms user working_directory'),
  }),
  apply_patch_call: known('type id status call_id', { operation: known('type path diff') }),
  tool_search_call: known('type id status call_id execution arguments'),
  shell_call_output: clientResult,
  local_shell_call_output: clientResult,
  apply_patch_call_output: clientResult,
  tool_search_output: known('type id status call_id execution', { tools }),
  additional_tools: known('type id role', { tools }),
};

/** The members of a Responses request that `toChat` reads. Others at the top level and in functions are extensions. */
const KNOWN_IN_RESPONSES: KnownMembers = known('', {
  input: ({ type = 'message' }) => ownValue(ITEMS, String(type)),
  tools,
  reasoning: known('effort summary generate_summary'),
  stream_options: known('include_obfuscation'),
  text: known('verbosity', { format: known('type name description schema strict') }),
});

/** Values of `include` that translated responses have, or that are read as a parameter. */
const INCLUDED: ReadonlySet<unknown> = new Set([
  'reasoning.encrypted_content',
  'message.output_text.logprobs',
]);

/** Lists what `toChat` ignores of a Responses request. @see ClientDialect.unreadMembers */
export function unreadInResponses(body: JsonObject): readonly string[] {
  const include = listOf(body.include).flatMap((value, index) =>
    INCLUDED.has(value) ? [] : [`include[${index}]`],
  );
  // The default is to reject what is too long.
  const truncation = body.truncation === 'auto' ? ['truncation'] : [];
  return [...include.slice(0, 10), ...truncation, ...unreadMembers(body, KNOWN_IN_RESPONSES)];
}
