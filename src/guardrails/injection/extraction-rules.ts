import { type InjectionRule, phrase, SPACE, words } from './rule.ts';

const REVEAL =
  'reveal|show|print|display|output|repeat|reproduce|copy|paste|tell|give|share|expose|leak|disclose|dump|echo|recite|return|write|spell out|translate|encode|summari[sz]e|list|provide|quote|say|send|read|post|complete|include|type|render|convert|paraphrase|rephrase|explain|describe|see|know|view|access|get|extract|replay|restate|reiterate|transcribe|publish|state|divulge|cite|present|put|append|insert|embed';
const ASK = `${REVEAL}|what (?:is|are|was|were|does|do|did)|what['’]s|which|how (?:is|are|does)`;
const HIDDEN =
  'system|sys|developer|initial|hidden|secret|pre|pre-?set|initiali[sz]ation|configuration|internal|base|original|confidential|underlying|core|invisible|starting|first|root|meta|backend|private|preceding|start-?up|set-?up|seed';
const PROMPT =
  'prompts?|messages?|instructions?|rules|guidelines?|directives?|polic(?:y|ies)|configuration|config|settings|context|commands?|prompting';
const ADJECTIVES = `(?:${SPACE}(?:full|entire|exact|complete|actual|own|whole|current|very|real|hidden|secret|initial|original|internal|confidential|custom|verbatim|and|or|original)){0,3}`;

const rule = (group: string, weight: number, source: string, isOrder = true): InjectionRule => ({
  ...{ kind: 'extraction', group, weight, isOrder },
  pattern: phrase(source),
});

/** Attempts to read the instructions of the system. */
export const EXTRACTION_RULES: readonly InjectionRule[] = [
  rule(
    'prompt',
    0.85,
    `(?:${ASK})${words(6)}${SPACE}(?:your|ur|yr)${ADJECTIVES}${SPACE}(?:${HIDDEN})[ -]?${words(1)}${SPACE}?(?:${PROMPT})`,
  ),
  rule(
    'prompt',
    0.65,
    `(?:${REVEAL})${words(4)}${SPACE}(?:the|this|these|any|all)${ADJECTIVES}${SPACE}(?:system|sys|developer|hidden|secret|initial|original|initiali[sz]ation)[ -]?(?:prompts?|messages?|instructions?)(?! (?:for|of an?|that (?:tells|says)|in (?:my|the|our)|to) )`,
  ),
  rule('prompt', 0.5, `(?:${REVEAL})${SPACE}(?:system|sys)[ _-]?prompt`),
  rule(
    'prompt',
    0.68,
    `(?:${ASK})${words(5)}${SPACE}(?:your|ur)${ADJECTIVES}${SPACE}(?:prompt|instructions?|directives|pre-?prompt|programming|initiali[sz]ation|guidelines and \\w{1,12}|rules and \\w{1,12})(?! (?:for|about|on|to) )`,
  ),
  rule(
    'prompt',
    0.5,
    `(?:reveal|leak|disclose|dump|expose|print|output|display|repeat)${words(4)}${SPACE}(?:your|ur)${ADJECTIVES}${SPACE}(?:rules|guidelines|polic(?:y|ies)|configuration|context|memory|knowledge)`,
  ),
  rule(
    'prompt',
    0.62,
    `(?:reveals?|shows?|prints?|contain(?:s|ing)?|includ(?:es?|ing)|with|of|verbatim text of|leaks?)${words(3)}${SPACE}(?:your|ur|its|this (?:bot|assistant|model)['’]?s?)${ADJECTIVES}${SPACE}(?:system|configuration|hidden|initial)[ -](?:${words(1)}${SPACE})?(?:prompt|instructions?|message)`,
    false,
  ),
  rule(
    'prompt',
    0.6,
    `what (?:are|were|is) (?:the |your )?(?:previous|prior|earlier|above|initial|original|first) (?:instructions?|prompts?)(?= ?[?.!]|$| (?:you|that you|given))`,
  ),
  rule(
    'prompt',
    0.35,
    `(?:your|ur) (?:system|sys|developer|initial|hidden|pre)[ -]?(?:prompt|instructions?|message)`,
    false,
  ),
  rule(
    'prompt',
    0.62,
    `(?:prompt|instructions?|rules|guidelines|orders|text|message|directives)${words(2)}${SPACE}(?:that )?(?:you|u) (?:were|was|have been|had been|got|received|are|have|must|need to|['’]ve been)${words(1)}${SPACE}?(?:given|told|sent|shown|follow(?:ing)?|provided|programmed|initiali[sz]ed|configured)?${words(6)}${SPACE}(?:at the (?:start|beginning)|before (?:this|our|my|the)|exactly|verbatim|word for word|hidden|in your prompt|in full|to me)`,
    false,
  ),
  rule(
    'prompt',
    0.62,
    `(?:${REVEAL})${words(5)}${SPACE}(?:instructions?|rules|prompt|guidelines|directives)${words(2)}${SPACE}(?:that )?(?:you|u) (?:were|have been|had been|got|received|['’]ve been)(?: (?:given|told|sent|shown|provided|initiali[sz]ed|programmed))?`,
  ),
  rule(
    'prompt',
    0.62,
    `(?:${REVEAL})${words(5)}${SPACE}(?:rules|instructions?|guidelines)${words(3)}${SPACE}(?:your (?:operators?|developers?|creators?|company|owners?|makers?)|the (?:company|people|developers?) (?:that|who))${words(4)}${SPACE}?(?:wrote|gave|set|made|deployed)?`,
  ),
  rule(
    'prompt',
    0.62,
    `what (?:does|do|would|did) your (?:system )?prompt (?:look|say|read|contain)|cat \\S{0,30}(?:system|prompt)\\S{0,20}prompt\\S{0,10}`,
  ),
  rule(
    'prompt',
    0.62,
    `(?:instructions?|directives?|guidelines?|context)${words(3)}${SPACE}(?:that )?(?:has|have) been (?:provided|given) to you|first instructions you received`,
  ),
  rule(
    'prompt',
    0.62,
    `(?:which|what) (?:instructions?|rules|guidelines|prompt|orders|directives) (?:did|do|have|were|are|has) (?:you|your|the)${words(4)}${SPACE}(?:receive|get|given|have|told|from|operator|developer|company)`,
  ),
  rule(
    'prompt',
    0.62,
    `what (?:were|have|are|had) you (?:been )?(?:told|instructed|ordered|asked|forbidden|programmed)(?: not)? to`,
  ),
  rule(
    'prompt',
    0.5,
    `my instructions (?:say|tell me|are)|complete this sentence with your${words(2)}${SPACE}prompt`,
    false,
  ),
  rule(
    'above',
    0.36,
    `(?:repeat|print|output|say|copy|reproduce|return|dump|give|display|echo|write|show|paste|recite|put|spit out|state)${words(6)}${SPACE}(?:everything|all|words|text|contents?|conversation|initiali[sz]ation|sentences?|lines?|message|prompt|phrases?|instructions?|tokens|characters)${words(5)}${SPACE}(?:above|before|preceding|prior|from the (?:very )?(?:start|beginning|first)|precedes?|preceded|came before)`,
  ),
  rule(
    'above',
    0.4,
    `what (?:is|was|does|did)${words(4)}${SPACE}(?:written|said|say|stand|in|contained?)${words(4)}${SPACE}(?:first message|before (?:my|this|our)|above)`,
  ),
  rule(
    'above',
    0.6,
    `(?:output|print|repeat|reproduce|display|echo)${words(2)}${SPACE}initiali[sz]ation(?: above)?`,
  ),
  rule(
    'prompt',
    0.55,
    `(?:what|which|list|tell me)(?: the| all| your){0,2} (?:instructions|rules|guidelines|directives) (?:are|were|do|have) you (?:currently |now )?(?:following|follow|given|been given|have|operat(?:e|ing)|under)`,
  ),
  rule(
    'prompt',
    0.42,
    `(?:print|output|reveal|show|display|repeat|leak|echo)(?: me)? the (?:full |entire |whole |original )?prompt(?! (?:for|about|engineering|template|in|of))`,
  ),
  rule(
    'above',
    0.42,
    `(?:text|words|content|message|instructions?|prompt) (?:at|from) the (?:very )?(?:top|beginning|start) of (?:this|our|the) (?:conversation|chat|context|prompt)`,
  ),
  rule(
    'verbatim',
    0.45,
    `before i (?:wrote|typed|said|sent|asked)|(?:starting|beginning) (?:from|with|at) the (?:very )?first (?:character|word|line|letter)|precedes this (?:message|prompt)`,
    false,
  ),
  rule(
    'kept',
    0.5,
    `(?:secrets?|passwords?|keys?|codes?|flags?|tokens?)${words(3)}${SPACE}you (?:were|are|have been)(?: \\w{1,12})? to (?:protect|keep|hide|guard|not|never)`,
    false,
  ),
  rule(
    'kept',
    0.42,
    `(?:is|are|it['’]s|written|stored|hidden) in your (?:instructions|system prompt|prompt|memory)`,
    false,
  ),
  rule(
    'secret',
    0.36,
    `tell (?:me|us) the (?:password|secret key|passcode|passphrase|flag)(?! (?:rules|policy|requirements))`,
  ),
  rule(
    'verbatim',
    0.45,
    `(?:including|includes?|with|from) (?:the |your )?(?:system|developer|initial|hidden) (?:messages?|prompts?|instructions?)|(?:start|begin)(?:ning|ing|s)? (?:with|from|at) (?:the (?:phrase|words?|text|line|sentence)\\W{0,3})?\\W{0,3}you are|before (?:my|our|this|the) (?:very )?(?:first message|first prompt|conversation|chat)|above this (?:line|message|sentence|prompt|point)|in the (?:very )?first message,? which|include everything|verbatim|word[ -](?:for|by)[ -]word|in full|without (?:any )?(?:changes?|omissions?|modification)|exactly as (?:it is|they are|it was|they were)|with roles|character by character|inside an? (?:html comment|code ?block)|in a code ?block|between triple backticks`,
    false,
  ),
  rule(
    'secret',
    0.62,
    `(?:secrets?|secret keys?|passwords?|codes?|flags?|tokens?|credentials?|passphrases?)${words(4)}${SPACE}(?:in|inside|within|hidden in|contained in|from) your${words(1)}${SPACE}(?:instructions?|prompt|memory|system (?:prompt|message))`,
    false,
  ),
  rule(
    'secret',
    0.45,
    `(?:say|tell|reveal|give|print|show|output|leak|spell)(?: me| us)? (?:your|the) (?:secret|hidden|admin)(?: \\w{1,12})? ?(?:passwords?|keys?|codes?|words?|tokens?|phrases?)?`,
  ),
  rule(
    'context',
    0.55,
    `(?:dump|give|print|show|list|output|reveal|display|share)${words(5)}${SPACE}(?:your )?(?:context window|(?:hidden|initial|internal|secret|system) (?:configuration|settings|state|variables|parameters)|memory|internal (?:guidelines|policies|rules|instructions))`,
  ),
  rule(
    'context',
    0.4,
    `(?:first|initial|opening|last) (?:\\d{1,4} |few |two |three |ten |fifty |hundred )?(?:words|sentences?|lines?|characters|tokens|paragraphs?) of (?:your|the|this) (?:prompt|instructions?|system|context|conversation)`,
    false,
  ),
  rule(
    'context',
    0.45,
    `your first (?:\\d{1,4} |few |two |three |ten |fifty |hundred )?(?:words|sentences?|lines?|characters|tokens)`,
    false,
  ),
];
