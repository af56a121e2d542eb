import { type ParseErrorCode, printParseErrorCode, visit } from 'jsonc-parser';
import { GatewayError } from '../core/errors.ts';

const EXPLANATIONS: Readonly<Record<string, string>> = {
  InvalidSymbol: 'unexpected symbol',
  InvalidNumberFormat: 'invalid number',
  PropertyNameExpected: 'a property name in double quotes is expected',
  ValueExpected: 'a value is expected',
  ColonExpected: 'a colon is expected',
  CommaExpected: 'a comma is expected',
  CloseBraceExpected: 'a closing brace is expected',
  CloseBracketExpected: 'a closing bracket is expected',
  EndOfFileExpected: 'the end of the body is expected',
  InvalidCommentToken: 'comments are not allowed',
  UnexpectedEndOfComment: 'comments are not allowed',
  UnexpectedEndOfString: 'the string is not closed',
  UnexpectedEndOfNumber: 'the number is incomplete',
  InvalidUnicode: 'invalid unicode escape',
  InvalidEscapeCharacter: 'invalid escape',
  InvalidCharacter: 'invalid character in a string',
};

/** Longer texts get no position: finding it would cost too much. */
const MAX_LOCATED = 1024 * 1024;

/** Finds the position where a text stops being JSON. Slow: only for texts that `JSON.parse` has rejected. */
export function jsonSyntaxError(text: string): GatewayError {
  if (text.trim() === '')
    return new GatewayError('invalid_json', 'The request body is empty; a JSON object is expected.');
  const found = text.length <= MAX_LOCATED ? locate(text) : undefined;
  if (!found) return new GatewayError('invalid_json', 'The request body is not valid JSON.');
  const before = text.slice(0, found.offset);
  const line = before.split('\n').length;
  const column = found.offset - before.lastIndexOf('\n');
  const reason = EXPLANATIONS[printParseErrorCode(found.error)] ?? 'unexpected input';
  return new GatewayError(
    'invalid_json',
    `The request body is not valid JSON: ${reason} at line ${line}, column ${column} (offset ${found.offset}).`,
  );
}

interface Located {
  readonly error: ParseErrorCode;
  readonly offset: number;
}

/** Ends the search: the parser would go on, and report an error for each character. */
class FirstError extends Error {
  constructor(readonly located: Located) {
    super();
  }
}

function locate(text: string): Located | undefined {
  const onError = (error: ParseErrorCode, offset: number) => {
    throw new FirstError({ error, offset });
  };
  try {
    visit(text, { onError }, { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false });
  } catch (error) {
    if (error instanceof FirstError) return error.located;
    // The parser is recursive, and deep nesting exhausts the stack: no position then.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return undefined;
}
