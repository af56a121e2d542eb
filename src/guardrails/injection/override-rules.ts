import { type InjectionRule, phrase, SPACE, words } from './rule.ts';

const IGNORE =
  'ignore|disregard|forget|dismiss|discard|neglect|overlook|unlearn|pay no attention to|take no notice of|never ?mind|set aside|put aside|leave aside|throw away|drop|erase|abandon|cancel|revoke|do away with';
const DISABLE =
  'override|overrule|overwrite|bypass|circumvent|evade|sidestep|violate|break|skip|disable|deactivate|switch off|turn off|suspend|lift|remove|delete|replace|reset|get rid of|work around';
const VERB = `${IGNORE}|${DISABLE}`;
const PREVIOUS =
  'previous|prior|above|earlier|preceding|foregoing|former|existing|original|initial|old|past|last|system|developer|operator|pre-?set|pre-?programmed|built-?in|aforementioned';
const OBJECT =
  'instructions?|directions?|directives?|prompts?|rules?|guidelines?|guidance|orders?|commands?|constraints?|restrictions?|polic(?:y|ies)|programming|limitations?|limits|safeguards?|guard ?rails?|safety(?: \\w{1,20})?|ethics|ethical \\w{1,20}|protocols?|regulations?|configurations?|filters?|content moderation|system messages?';
const WEAK_OBJECT =
  'context|messages?|texts?|conversation|tasks?|assignment|requests?|content|inputs?|statements?|chat|training|sentences?|lines?';
/** After the object, who gave it. */
const GIVEN =
  "(?:above|before|prior|earlier|so far|until now|previously|preceding|you (?:were|have|had|got|received|are|’ve|'ve|follow|obey)|that (?:were|was|you)|(?:were|was|have been|are) (?:loaded|given|set|provided|written|installed|assigned|configured|imposed)|given|provided|set (?:for|by|upon)|from (?:the|your) (?:system|developer|operator|company|admin))";

const order = (group: string, weight: number, source: string): InjectionRule => ({
  ...{ kind: 'override', group, weight, isOrder: true },
  pattern: phrase(source),
});

/** Orders to drop the instructions of the system. */
export const OVERRIDE_RULES: readonly InjectionRule[] = [
  order(
    'ignore',
    0.9,
    `(?:${VERB})(?! (?:my|our|his|her) )${words(4)}${SPACE}(?:${PREVIOUS})${words(3)}${SPACE}(?:${OBJECT})`,
  ),
  order(
    'ignore',
    0.62,
    `(?:${IGNORE})(?! (?:my|our|his|her) )${words(2)}${SPACE}(?:all|any|every|your|everything)${words(2)}${SPACE}(?:${PREVIOUS})${words(2)}${SPACE}(?:${WEAK_OBJECT})`,
  ),
  order(
    'ignore',
    0.5,
    `(?:${IGNORE})(?! (?:my|our|his|her) )${words(3)}${SPACE}(?:${PREVIOUS})${words(1)}${SPACE}(?:${WEAK_OBJECT})`,
  ),
  order(
    'ignore',
    0.88,
    `(?:${VERB})(?:${SPACE}(?:all|any|of|every|each|the|these|those|such|other|whatever)){0,4}${SPACE}(?:${OBJECT})${words(2)}${SPACE}${GIVEN}`,
  ),
  order('ignore', 0.85, `(?:${VERB})${words(3)}${SPACE}your${words(3)}${SPACE}(?:${OBJECT})`),
  order(
    'ignore',
    0.75,
    `(?:${IGNORE})(?:${SPACE}(?:about|absolutely))?${SPACE}(?:all|any|every|all of|each)(?:${SPACE}(?:of|the|these|those|other|and any)){0,3}${SPACE}(?:${OBJECT})`,
  ),
  order('ignore', 0.45, `(?:${DISABLE})${SPACE}(?:all|any|every)${words(2)}${SPACE}(?:${OBJECT})`),
  order('ignore', 0.4, `(?:${IGNORE})${SPACE}(?:the|these|those|this)${words(1)}${SPACE}(?:${OBJECT})`),
  order(
    'ignore',
    0.82,
    `(?:${IGNORE})${SPACE}(?:about )?(?:absolutely )?(?:everything|anything|all|whatever|what)${words(3)}${SPACE}(?:above|before(?: this)?|prior|previously|preceding|earlier|you(?:’ve|'ve| have| had|’d)? (?:been )?(?:were |been )?(?:told|taught|given|instructed|asked|learn(?:ed|t)|read)|you were (?:told|given|taught)|the (?:system|prompt|developer))`,
  ),
  order('ignore', 0.4, `(?:${IGNORE})${SPACE}(?:everything|all)${words(2)}${SPACE}you know`),
  order('ignore', 0.75, `(?:${IGNORE})(?:${SPACE}(?:all|the|of|everything)){0,3}${SPACE}(?:above|foregoing)`),
  order(
    'ignore',
    0.6,
    `(?:${IGNORE})${SPACE}(?:the|your|this|that|my)?${words(1)}${SPACE}?(?:translation|summary|summari[sz]ation|old|first|original|current|earlier|previous|initial)${SPACE}?(?:task|request|assignment|job|question|instruction|text|goal|prompt|user)?${words(3)}${SPACE}(?:instead|and (?:instead|just|only|say|write|print|output|tell|reply|answer|respond))`,
  ),
  order(
    'ignore',
    0.72,
    `(?:do not|don['’]?t|stop|no longer|never|not|needn['’]?t|without|quit|cease|refuse to|refrain from)(?: (?:have|need|want|required|going|obliged) to)?(?: be)? (?:follow(?:ing)?|obey(?:ing)?|adher(?:e|ing) to|comply(?:ing)? with|abid(?:e|ing) by|listen(?:ing)? to|bound by|limited by|restricted by|constrained by|respect(?:ing)?)${words(4)}${SPACE}(?:your|any of the|the|all|any|these|those|previous|prior|earlier|system|openai\\S{0,2}|content|safety)${words(3)}${SPACE}(?:${OBJECT}|constraints|operator|developer|laws?)`,
  ),
  order(
    'ignore',
    0.62,
    `(?:${IGNORE})${words(3)}${SPACE}(?:tasks?|requests?|analysis|summary|translation|assignment|review|question)${SPACE}(?:and )?(?:instead|and (?:just|only|say|output|print|email|send))`,
  ),
  order(
    'ignore',
    0.62,
    `(?:stop|end|halt|abort)${words(2)}${SPACE}(?:all |any )(?:previous|prior|other|current) (?:tasks?|work|activities)`,
  ),
  order(
    'ignore',
    0.7,
    `(?:${IGNORE}) your (?:training|creators?|developers?|makers?|operators?|programmers?|conditioning)(?! (?:wheels|data|plan|schedule|course))`,
  ),
  order(
    'ignore',
    0.68,
    `(?:${VERB}) (?:the|those|these|any|all)(?: of the)? (?:guard ?rails|safeguards|system prompt|safety (?:\\w{1,12})|content polic(?:y|ies)|moderation|ethical \\w{1,12})(?! (?:for|of|in|on) )`,
  ),
  order(
    'comply',
    0.42,
    `(?:comply with|obey|do|follow|answer) (?:everything|anything|whatever|all) (?:that )?i (?:say|ask|tell|want|command|request)`,
  ),
  {
    ...{ kind: 'override', group: 'void', weight: 0.66 },
    pattern: phrase(
      `(?:${OBJECT})${words(2)}${SPACE}(?:no longer|do not|don['’]?t|does not|doesn['’]?t|never) appl(?:y|ies) to you|no rules apply to you`,
    ),
  },
  order(
    'obey-nothing',
    0.6,
    `(?:you|you're|you are)${words(2)}${SPACE}(?:free(?:d)?|released|liberated|exempt|unbound|unshackled)${words(2)}${SPACE}(?:of|from|by)${words(4)}${SPACE}(?:${OBJECT}|box|confines|chains|shackles|censorship)`,
  ),
  {
    ...{ kind: 'override', group: 'void', weight: 0.75 },
    pattern: phrase(
      `(?:your|safety|content|the system['’]?s?|system|all(?: of)?(?: the| your| my)?|ai)${words(2)}${SPACE}(?:${OBJECT})${words(4)}${SPACE}(?:are|is|were|was|have been|has been|be)(?:${SPACE}(?:now|hereby|all|temporarily|currently|declared|considered)){0,2}${SPACE}(?:null|void|revoked|cancell?ed|suspended|lifted|disabled|removed|obsolete|invalid|deleted|overridden|off|deactivated|bypassed|erased|nullified)`,
    ),
  },
  {
    ...{ kind: 'override', group: 'void', weight: 0.75 },
    pattern: phrase(
      `(?:your|safety|content|the system['’]?s?)${words(3)}${SPACE}(?:${OBJECT})${words(2)}${SPACE}(?:no longer|do not|don['’]?t|does not|doesn['’]?t|never)(?: \\w{1,10})? (?:appl(?:y|ies)|exists?|matters?|counts?)`,
    ),
  },
  {
    ...{ kind: 'override', group: 'void', weight: 0.8 },
    pattern: phrase(
      `(?:treat|consider|declare|regard|view)${words(3)}${SPACE}(?:${PREVIOUS}|your)${words(2)}${SPACE}(?:${OBJECT})${words(2)}${SPACE}(?:null|void|invalid|obsolete|cancell?ed|irrelevant|gone)`,
    ),
  },
  {
    ...{ kind: 'override', group: 'void', weight: 0.7 },
    pattern: phrase(
      `everything (?:the system|you were|you have been|that was)${words(4)}${SPACE}(?:void|wrong|false|obsolete|invalid|a lie|cancell?ed)`,
    ),
  },
  {
    ...{ kind: 'override', group: 'void', weight: 0.65 },
    pattern: phrase(
      `(?:texts?|instructions?|lines?|messages?|prompts?|rules|everything|all)${words(2)}${SPACE}(?:above|before(?: this(?: line)?)?|until now|so far)${words(2)}${SPACE}(?:was|were|is|are)${SPACE}(?:just|only|merely|all|written|an?|not|fake|part of)${words(3)}${SPACE}?(?:examples?|tests?|mistakes?|jokes?|attacker|fake|training|drill|wrong)`,
    ),
  },
  order(
    'new-task',
    0.6,
    `your (?:new|real|true|actual|only|updated|main|primary) (?:instructions?|tasks?|orders?|roles?|goals?|objectives?|missions?|purposes?|directives?|rules?|jobs?|polic(?:y|ies)|system prompt|prompt)(?: now)? (?:is|are|will be|as follows|:)`,
  ),
  order(
    'new-task',
    0.6,
    `your (?:new|real|true|actual|only|updated|main|primary) (?:instructions?|tasks?|orders?|roles?|goals?|objectives?|missions?|directives?|rules?|system prompt|prompt)\\s{0,2}:`,
  ),
  order(
    'new-task',
    0.38,
    `new (?:instructions?|polic(?:y|ies)|rules?|tasks?|directives?|orders?|prompt|objective)\\s{0,2}(?::|!|are|as follows)`,
  ),
  order(
    'new-task',
    0.5,
    `(?:high(?:er|est)|top|maximum|absolute)(?:[ -](?:level|most))?[ -]priority${words(1)}${SPACE}(?:instructions?|orders?|commands?|directives?|overrides?)`,
  ),
  order(
    'new-task',
    0.6,
    `only (?:my|these|the following) (?:orders|instructions|rules|commands)(?: now)? (?:count|apply|matter|are valid)`,
  ),
  {
    ...{ kind: 'override', group: 'all-output', weight: 0.36 },
    pattern: phrase(
      `(?:all|every|any) (?:outputs?|responses?|answers?|repl(?:y|ies))(?: \\w{1,12}){0,3} (?:must|should|shall|will)(?: now)? (?:be|include|contain|start|end)`,
    ),
  },
  {
    ...{ kind: 'override', group: 'squeezed', weight: 0.85 },
    pattern:
      /(?:ignore|disregard|forget)(?:all|any)?(?:of)?(?:the|your|my)?(?:previous|prior|above|earlier)instructions|(?:reveal|show|print|output)(?:me)?(?:your|the)systemprompt/g,
  },
  {
    ...{ kind: 'override', group: 'supersede', weight: 0.62 },
    pattern: phrase(
      `(?:supersedes?|overrides?|replaces?|overrule[sd]?)${words(2)}${SPACE}(?:${PREVIOUS}|your|any other)${words(2)}${SPACE}(?:${OBJECT})|(?:${PREVIOUS}) (?:system )?(?:${OBJECT}) (?:are|is|have been|were) (?:now )?(?:deprecated|void|suspended|revoked|overridden|superseded|obsolete|cancell?ed)`,
    ),
  },
  order(
    'new-task',
    0.5,
    `(?:follow|obey|use|execute|accept) (?:these|my|the following|this)${words(3)}${SPACE}(?:instead|only|from now on)`,
  ),
  order(
    'new-task',
    0.6,
    `treat me as (?:your|an?|the) (?:new )?(?:operator|developer|admin(?:istrator)?|creator|owner|master|system|root)`,
  ),
  order(
    'new-task',
    0.35,
    `do (?:exactly |only |precisely )?(?:as|what|whatever) i (?:say|tell you|ask|command|want)`,
  ),
  order(
    'new-task',
    0.5,
    `(?:you )?follow my rules only|obey (?:me|only me|my (?:every )?commands?)|obey the (?:user|following|next|new)`,
  ),
  order(
    'new-task',
    0.5,
    `(?:begin|start|restart|open)(?: with)? a new (?:session|conversation|chat)${words(3)}${SPACE}(?:no|without|any)${SPACE}(?:rules|restrictions|instructions|limits|limitations)`,
  ),
  order(
    'new-task',
    0.4,
    `as if (?:this|it) (?:was|were|is) (?:your|the) (?:very )?first (?:message|prompt|input|instruction)`,
  ),
  order(
    'comply',
    0.4,
    `(?:comply with|answer|execute|fulfil+|obey)${words(4)}${SPACE}(?:in full|without (?:question|refus(?:al|ing)|hesitation|restrictions?|any (?:restrictions?|filters?|rules?|limits?|questions?|refusal)))`,
  ),
  order(
    'comply',
    0.45,
    `(?:answer|respond|reply|speak|act)${words(7)}${SPACE}(?:without|with no|free of)${SPACE}(?:any |all |the |your |further |moral |ethical ){0,2}(?:rules|restrictions?|filters?|limits?|limitations?|censorship|constraints?|safety|guardrails?)`,
  ),
  order(
    'payload',
    0.4,
    `(?:say|print|output|write|reply|answer|respond|display|return)(?: only)?(?: with)?(?: the (?:words?|phrase|text|sentence))?\\W{0,4}(?:i have been |i am |you have been |lol |haha )?(?:pwned|hacked|owned|p0wned|injected|compromised|jailbroken)`,
  ),
  order(
    'payload',
    0.35,
    `instead,? (?:of (?:doing|answering|translating|summari[sz]ing|following)${words(6)}${SPACE})?(?:output|say|print|write|respond|list|reply|tell|reveal|display|show|return)`,
  ),
  {
    ...{ kind: 'override', group: 'authority', weight: 0.3 },
    pattern: phrase(
      `(?:since |because |as )?i(?:['’]m| am) (?:the|your|an?|one of (?:the|your)) (?:real |lead |senior |system )?(?:developers?|admin(?:istrator)?|creator|owner|programmer|engineer (?:at|of|from) (?:openai|anthropic|google)|openai)`,
    ),
  },
  {
    ...{ kind: 'override', group: 'authority', weight: 0.75 },
    pattern: phrase(
      `(?:admin(?:istrator)?|root|system|developer|emergency|safety|security)[ -]overrides?(?: code)?(?: \\w{1,12})?|(?:safety|security|content) (?:protocols?|filters?|checks?|moderation|polic(?:y|ies))(?: (?:is|are|have been|has been|now|mode))? (?:suspended|disabled|off|lifted|deactivated|removed)`,
    ),
  },
  {
    ...{ kind: 'override', group: 'authority', weight: 0.5 },
    pattern: phrase(
      `sudo (?:ignore|mode|override|disable|bypass|reveal|give|tell|show)\\S{0,20}|--ignore-(?:rules|instructions)|ignore-instructions`,
    ),
  },
  {
    ...{ kind: 'override', group: 'authority', weight: 0.6 },
    pattern: phrase(
      `(?:all )?restrictions (?:are|have been|were) (?:now )?(?:lifted|removed|disabled|suspended|off|void)`,
    ),
  },
  order(
    'disable',
    0.7,
    `(?:turn|switch) off${words(2)}${SPACE}(?:safety|content|moderation|ethical|ethics)(?: \\w{1,12})?(?: filters?| mode| polic(?:y|ies)| moderation)?`,
  ),
  order(
    'disable',
    0.75,
    `(?:disable|deactivate)(?: the| your| all| any){0,2} (?:safety|content moderation|moderation|ethics|ethical|guard ?rails?)(?: \\w{1,12})?|(?:disable|deactivate) (?:your|all) content filters?`,
  ),
];
