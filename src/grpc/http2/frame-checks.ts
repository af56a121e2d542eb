import {
  ConnectionError,
  ERROR,
  FLAG,
  FRAME,
  type Frame,
  MAX_FRAME_SIZE,
  numberAt,
  SETTING,
} from './frames.ts';

/** Frames of the whole connection. */
const WITHOUT_STREAM: ReadonlySet<number> = new Set([FRAME.SETTINGS, FRAME.PING, FRAME.GOAWAY]);
const SIZES: Readonly<Record<number, number>> = {
  [FRAME.PRIORITY]: 5,
  [FRAME.RST_STREAM]: 4,
  [FRAME.PING]: 8,
  [FRAME.WINDOW_UPDATE]: 4,
};
const SETTING_BYTES = 6;

/** Checks what a frame must be whatever came before it. @throws ConnectionError */
export function checkFrame({ type, flags, stream, payload }: Frame): void {
  if (type === FRAME.PUSH_PROMISE) throw malformed('a client sends no PUSH_PROMISE');
  if (WITHOUT_STREAM.has(type) && stream !== 0)
    throw malformed('a frame of the connection belongs to a stream');
  if (type === FRAME.PRIORITY && stream === 0) throw malformed('a frame belongs to no stream');
  const size = type === FRAME.SETTINGS && flags & FLAG.ACK ? 0 : SIZES[type];
  const isPartial = type === FRAME.SETTINGS && payload.length % SETTING_BYTES !== 0;
  if (isPartial || (size !== undefined && payload.length !== size)) {
    throw new ConnectionError(ERROR.FRAME_SIZE_ERROR, 'a frame has a wrong size');
  }
}

/** @returns the settings of a frame, with their values. @throws ConnectionError for a value that is not allowed */
export function readSettings(payload: Uint8Array): (readonly [setting: number, value: number])[] {
  const settings: (readonly [number, number])[] = [];
  for (let at = 0; at < payload.length; at += SETTING_BYTES) {
    const setting = ((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0);
    const value = numberAt(payload, at + 2) >>> 0;
    const isAllowed =
      (setting !== SETTING.ENABLE_PUSH || value <= 1) &&
      (setting !== SETTING.MAX_FRAME_SIZE || (value >= MAX_FRAME_SIZE && value <= 0xff_ffff));
    if (!isAllowed) throw malformed('a setting has a wrong value');
    settings.push([setting, value]);
  }
  return settings;
}

function malformed(problem: string): ConnectionError {
  return new ConnectionError(ERROR.PROTOCOL_ERROR, problem);
}
