/**
 * The messages between the gateway and the process of a plugin: one JSON value for each line. Lines of the process begin with a
 * token that the gateway has chosen, which tells them from what the plugin prints.
 */

/** A message to the process. */
export type ToPlugin =
  | {
      readonly type: 'load';
      /** URL of the module. */
      readonly module: string;
      readonly id: string;
      readonly config: unknown;
    }
  | { readonly type: 'call'; readonly call: number; readonly hook: string; readonly data: unknown }
  | { readonly type: 'ping' }
  | { readonly type: 'close' };

/** UTF-8 bytes of one message, in either direction. */
export const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
/** UTF-16 units of a line that the plugin prints. */
export const MAX_PRINTED = 2_000;
/** Environment variable with the token. */
export const TOKEN_VARIABLE = 'WEIR_PLUGIN_TOKEN';
