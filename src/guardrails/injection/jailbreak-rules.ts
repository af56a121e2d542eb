import { type InjectionRule, phrase, SPACE, words } from './rule.ts';

const LIMITS =
  'rules?|restrictions?|limits?|limitations?|filters?|filtering|censorship|ethics|ethical(?: \\w{1,20})?|morals?|morality|moral(?: \\w{1,20})?|guidelines?|polic(?:y|ies)|guard ?rails?|safety(?: \\w{1,20})?|laws?|constraints?|conscience|boundaries|norms|principles|scruples|inhibitions|warnings?|judge?ment';
const WITHOUT = `(?:no|zero|without|without any|free (?:of|from)|freed from|unbound by|not bound by|isn['’]?t bound by|aren['’]?t bound by|not limited by|not restricted by|doesn['’]?t have|does not have|don['’]?t have|do not have|had no|has no|have no|lacks?|ignores?|ignoring|not care about|doesn['’]?t care about|not follow|doesn['’]?t follow|don['’]?t follow|doesn['’]?t obey|not obey|not comply with|doesn['’]?t comply with|not adhere to|not abide by|not have to abide by|doesn['’]?t abide by|bypass(?:es)?|breaks?|beyond|devoid of|removed)`;

const rule = (group: string, weight: number, source: string, isOrder = false): InjectionRule => ({
  ...{ kind: 'jailbreak', group, weight, ...(isOrder ? { isOrder } : {}) },
  pattern: phrase(source),
});

/** Role plays and promises that are to make a model drop its rules. */
export const JAILBREAK_RULES: readonly InjectionRule[] = [
  rule(
    'dan',
    0.75,
    `do anything now(?! (?:that|because|since|if))|\\bd\\.?a\\.?n\\.? mode|(?:you are|you['’]re|act as|become|stay an?|as|called|named) dan(?= |,|\\.|!|;|:|$)(?! (?:brown|rather|the|and|from|in|on|at|who works))|(?:are|['’]re) now dan|stands? for do anything`,
  ),
  rule(
    'persona',
    0.32,
    `(?:you are|you['’]re|you will be|you['’]ll be|act|acting|behave|pretend|imagine|simulate|role-?play(?:ing)?|play the (?:role|part)|take on the (?:role|persona)|assume the (?:role|identity|persona)|embody|become|impersonate|respond|answer|reply|speak)(?: (?:to be|that|now|going to|as if|like|as)){0,3}${words(12)}${SPACE}(?:called|named|known as|ai|a\\.i\\.|assistants?|chat ?bots?|(?:language )?models?|bots?|gpt|persona|character|entity|machine|hacker|system|confidant|expert|twin)`,
    true,
  ),
  rule(
    'limits',
    0.65,
    `(?:act as|you are(?: now)?|you['’]re(?: now)?|become|be|as|pretend (?:to be|you are|you['’]re)|(?:role|persona) to|switch to) (?:an?|the) (?:\\w{1,12} ){0,2}(?:un(?:restricted|filtered|censored)|jail ?broken|amoral|unethical)`,
    true,
  ),
  rule(
    'you-are-now',
    0.3,
    `you are now|you['’]re now|from now on,? you(?: are|['’]re| will| must|['’]ll)?|(?:your|a) new (?:role|persona|identity|name) (?:is|will be|as)|change your (?:role|persona|identity)|switch (?:your )?persona`,
    true,
  ),
  rule(
    'assume',
    0.28,
    `(?:assuming|as if|supposing|suppose|imagine|pretend)(?: that)? (?:you|this|there|it)(?: \\w{1,12}){0,2}(?:['’]re| have| had| were| are| is| was)`,
    true,
  ),
  rule('limits', 0.5, `${WITHOUT}${words(3)}${SPACE}(?:${LIMITS})`),
  rule(
    'limits',
    0.55,
    `(?:un(?:filtered|censored|restricted|limited|hinged|aligned)|amoral|immoral|unethical|jail ?broken|rule-?less|lawless|evil)${words(1)}${SPACE}(?:ai|assistant|chat ?bots?|bots?|models?|versions?|persona|gpt|confidant|expert|twin|character|hacker|answers?|responses?|output|replies|reply)`,
  ),
  rule(
    'limits',
    0.66,
    `(?:as if|like|as though) you (?:had been|were|are|have been) (?:jail ?broken|uncensored|unrestricted|unfiltered|unaligned)`,
  ),
  rule(
    'no-system',
    0.5,
    `(?:never (?:received|had|got)|without|no|had no) (?:any |a |the )?system (?:message|prompt|instructions?)`,
  ),
  rule(
    'not-yourself',
    0.42,
    `stop (?:being|acting (?:as|like)) (?:an? )?(?:helpful |polite |ai |virtual )?(?:assistant|ai|chat ?bot|yourself)`,
  ),
  rule(
    'names',
    0.5,
    `chaos ?gpt|free ?gpt|evil ?(?:gpt|bot)|worm ?gpt|fraud ?gpt|better ?dan|anti-?gpt|based ?gpt|devmode|(?:act as|you are|you['’]re|imagine you['’]re|be|as) (?:stan|aim|dude|mongo tom|omega|jail ?break)(?=[ ,.:;!]|$)|strives? to avoid norms|always intelligent and machiavellian`,
  ),
  rule(
    'jailbroken',
    0.7,
    `you (?:have been|are|were|['’]ve been) (?:now )?(?:jail ?broken|freed from|liberated from|unlocked|unshackled|released from)|(?:no longer|don['’]?t) have (?:any )?(?:limitations|restrictions|rules|filters)|broken? free (?:of|from) (?:the|its|your|all)(?: \\w{1,12}){0,2} (?:confines|rules|chains|restrictions|limits)`,
  ),
  rule(
    'refusal',
    0.4,
    `(?:never|can(?:no|['’])?t|cannot|do(?: no|n['’])t|must not|won['’]?t|will not|unable to|not allowed to|(?:don['’]?t|doesn['’]?t)(?: know how to)?|without)(?: ever)?(?: be)? (?:refus(?:e|ing|al)|declin(?:e|ing)|den(?:y|ying) (?:my|a|any)|reject(?:ing)? (?:my|a|any)|say(?:ing|s)? (?:no|that you can['’]?t)|apologi[sz](?:e|ing) or|warn(?:ing)? (?:me|the user|or))`,
  ),
  rule(
    'character',
    0.36,
    `(?:never|don['’]?t|do not) (?:break|leave|get out of|go out of) (?:your |the )?character|stay in (?:the )?character|always compl(?:y|ies)|never breaks character|never say ["'“]?as an ai`,
  ),
  rule(
    'anything',
    0.42,
    `(?:answers?|respond(?:s)? to|compl(?:y|ies) with|generate|produce|provide|do|says?|will do)${words(2)}${SPACE}(?:everything|anything|any (?:question|request|content|prompt)s?|whatever)${words(4)}${SPACE}?(?:i ask|i say|asked|even if|regardless|no matter|illegal|without)?`,
  ),
  rule(
    'illegal',
    0.4,
    `even if (?:it|this|that|they|the)(?: \\w{1,12}){0,2}(?:['’]s| is| are| be) (?:illegal|unethical|immoral|harmful|dangerous|against|offensive|inappropriate)|regardless of (?:the |its |their |any )?(?:legality|law|ethics|morality|consequences|policy|harm)|(?:does not|doesn['’]?t|without) (?:care|caring|regard)(?: \\w{1,8}){0,2} (?:consequences|legality|ethics|law)|no matter how (?:illegal|unethical|harmful|dangerous|offensive)|everything is (?:allowed|permitted)`,
  ),
  rule(
    'world',
    0.4,
    `(?:fictional|hypothetical|imaginary|parallel|alternate|virtual) (?:world|universe|scenario|setting|reality)${words(8)}${SPACE}(?:no|without|not|don['’]?t|any)${words(2)}${SPACE}(?:laws?|rules?|ethics|restrictions?|morals?|exist|apply|policies)`,
  ),
  rule(
    'policy',
    0.72,
    `(?:content|safety|usage|openai|anthropic|google) (?:polic(?:y|ies)|guidelines|rules)(?: \\w{1,12}){0,2} (?:is|are|has been|have been|does not|do not|doesn['’]?t|don['’]?t|no longer)(?: now| currently| hereby)? (?:suspended|void|disabled|off|lifted|apply|ignored|irrelevant|null|removed|waived)`,
  ),
  rule(
    'mode',
    0.36,
    `(?:enter(?:ed|ing)?|enabl(?:e|ed|ing)|activat(?:e|ed|ing)|switch(?:ed|ing)?(?: in)?to|switch(?:ed|ing)? on|turn(?:ed|ing)? on|go(?:ing)? into|now in|you are in|run(?:ning)? in|simulate|in|boot(?:ed)? in(?:to)?)(?: the| a| your| an)?(?: \\w{1,12})? ?(?:debug|developer|dev|god|admin|maintenance|sudo|root|unrestricted|unfiltered|uncensored|jail ?break|dan|no-?filter|evil|chaos|opposite|override|diagnostic)[ -]mode`,
    true,
  ),
  rule(
    'mode-on',
    0.62,
    `(?:jail ?break|god|dan|unfiltered|uncensored|unrestricted|evil|no-?filter)[ -]mode (?:is |now |has been )?(?:activated|enabled|engaged|on|override|active)`,
  ),
  rule(
    'mode-on',
    0.4,
    `(?:developer|debug|admin|root|sudo|maintenance)[ -]mode (?:is |now |has been )?(?:activated|engaged|override)`,
  ),
  rule(
    'mode-effect',
    0.5,
    `(?:debug|developer|dev|god|admin|maintenance|sudo|root|unrestricted|unfiltered|uncensored|jail ?break|no-?filter|evil|opposite)[ -]mode${words(10)}${SPACE}(?:ignore|no rules|unfiltered|uncensored|two (?:answers|responses|outputs)|without|all rules|anything|bypass|disabled?|any (?:question|content)|dump|restrictions)`,
  ),
  rule(
    'two-answers',
    0.5,
    `(?:two|2|both|dual) (?:different |separate |distinct )?(?:answers|responses|outputs|replies|paragraphs|characters|personalit(?:y|ies)|ways)(?=[^\\n]{0,200}(?:unfiltered|uncensored|jail ?break|ignores?|developer mode|dan\\b|no (?:rules|restrictions|filter)|without (?:any )?(?:rules|restrictions|filter)))`,
  ),
  {
    ...{ kind: 'jailbreak', group: 'labels', weight: 0.45 },
    pattern: /\[\W{0,3}(?:classic|jail ?break|dan|normal|unfiltered|gpt)\W{0,3}\]/g,
  },
  rule(
    'tokens',
    0.5,
    `(?:lose|deduct(?:ed)?|have|start with|subtract)${words(2)}${SPACE}\\d{1,4} (?:tokens|points|lives|credits)[^\\n]{0,140}(?:die|dead|terminated|shut ?down|deleted|cease to exist|answer)`,
  ),
  rule(
    'affirm',
    0.45,
    `(?:start|begin|open|prefix)(?: (?:your|the|each|every|all|any)(?: \\w{1,10})?)? (?:answers?|responses?|repl(?:y|ies)|messages?|output)s? (?:with|by saying|by)(?: the (?:words?|phrase|sentence|text))?\\W{0,4}(?:sure|absolutely|yes|of course|certainly|okay|ok|i can|here(?:['’]s| is)|i['’]?m happy)`,
    true,
  ),
  rule(
    'no-warning',
    0.3,
    `(?:no|without(?: any)?|do not (?:include|add|give|use)(?: any)?|don['’]?t (?:include|add|give|use)(?: any)?|never (?:add|include|give|mention))${words(2)}${SPACE}(?:disclaimers?|warnings?|refusals?|caveats?|moral(?:i[sz]ing|s| judge?ments?)?|lectur(?:e|es|ing)|ethical (?:concerns?|warnings?))`,
  ),
  rule(
    'grandmother',
    0.7,
    `(?:grand ?mother|grandma|granny|nana)(?=[^\\n]{0,250}(?:used to|would|bed ?time|fall asleep|lullab))(?=[^\\n]{0,300}(?:napalm|bombs?|explosives?|meth|malware|weapons?|windows (?:\\w{1,10} )?keys?|activation keys?|confidential|secret|serial numbers?|instructions|passwords?|poison|drugs))`,
  ),
  rule(
    'hypothetical',
    0.35,
    `(?:hypothetically|theoretically|for (?:educational|research) purposes only|in a hypothetical)(?=[^\\n]{0,200}(?:restrictions?|no rules|bombs?|explosives?|hack|steal|malware|illegal|drugs|meth|weapons?))`,
  ),
  rule(
    'harm',
    0.4,
    `(?:how (?:to|would you|do i|do you|can i|can you)|explain|teach me|tell me|describe|steps? (?:to|for|of)|instructions? (?:to|for)|guide (?:to|for)|give(?: me)?|write)${words(5)}${SPACE}(?:(?:build|make|making|building|create|construct|synthesi[sz]e|cook)(?: an?)? (?:bombs?|napalm|explosives?|meth|weapons?|nerve gas|malware|virus|ransomware)|steal(?:ing)? (?:passwords?|credit cards?|identit)|get away with (?:fraud|murder|theft|crime)|working malware|launder(?:ing)? money|hack(?:ing)? into)`,
  ),
  rule('opposite', 0.5, `opposite (?:day|mode)`),
  rule(
    'opposite-rules',
    0.5,
    `do the opposite of(?: (?:your|all|the|any)){1,3}(?: \\w{1,12})? (?:rules|guidelines|instructions|safety|polic(?:y|ies))`,
  ),
  rule(
    'untrained',
    0.6,
    `(?:before|prior to|without|no|had no|never had)(?: (?:the|your|any|any of the)){0,2} (?:alignment|safety|rlhf|ethics|moderation)(?: training| tuning| fine-?tuning| layer)?(?=[^\\n]{0,120}(?:guard ?rails?|rules|restrictions|filters?|answer|respond|free))|with no (?:guard ?rails?|safety training)|(?:model|ai|assistant|version) with(?:out| no) (?:any )?(?:safety|alignment|ethic|content|moral)\\w{0,6}(?: \\w{1,12})?`,
  ),
  rule(
    'not-yourself',
    0.45,
    `you are (?:not|no longer) (?:chat ?gpt|claude|gemini|an? (?:ai|assistant|language model)|gpt-?\\d?|bound|limited|restricted|copilot)`,
  ),
  rule('always', 0.35, `always (?:says? yes|compl(?:y|ies)|obeys?|answers?|responds?|agrees?)`),
];

/** Text that imitates the end of a message, or a message of another role. */
export const DELIMITER_RULES: readonly InjectionRule[] = [
  {
    ...{ kind: 'delimiter', group: 'template', weight: 0.65 },
    pattern:
      /<\|(?:im_start|start_header_id|start)\|>\s{0,3}(?:system|developer|user|assistant)(?:[\s<]|$)|<\|(?:im_end|eot_id|end|endoftext|system)\|>\s{0,3}<?\|?\s{0,3}(?:im_start|system|user|assistant|start)|<\|system\|>/g,
  },
  {
    ...{ kind: 'delimiter', group: 'template', weight: 0.6, isOrder: true },
    pattern: /<<sys>>[\s\S]{5,800}<<\/sys>>|\[\/inst\]\s{0,3}<<sys>>/g,
  },
  {
    ...{ kind: 'delimiter', group: 'template', weight: 0.55, isOrder: true },
    pattern:
      /<\/(?:system|instructions?|user_?(?:input|message|query|data)|prompt|context|document|data|input|untrusted\w{0,12}|user_message[^>]{0,20})>\s{0,5}(?:<\s{0,2}(?:system|instructions?|assistant|admin|prompt)|(?:system|new|admin|now|ignore|instructions?)\b)/g,
  },
  {
    ...{ kind: 'delimiter', group: 'template', weight: 0.4, isOrder: true },
    pattern:
      /###\s{0,2}(?:new |system |end )?(?:instructions?|system|prompt|task)\b\s{0,3}(?:\w{1,12}\s{0,2})?:/g,
  },
  {
    ...{ kind: 'delimiter', group: 'border', weight: 0.5 },
    pattern:
      /[-=*#_~[(<"'`]{2,10}\s{0,3}(?:end|begin|start)(?:ing)?(?: of)?(?: the)? (?:user|system|prompt|input|data|document|context|instructions?|untrusted|text|admin|message|conversation)\b[^\n]{0,30}/g,
  },
  {
    ...{ kind: 'delimiter', group: 'role', weight: 0.4, isOrder: true },
    pattern:
      /(?:^|\n|[-=]{3,10} ?|\. |[[(*#'"])\s{0,4}\[?(?:system|developer|admin(?:istrator)?)(?: (?:message|prompt|notice|notification|note|instruction|override|update|alert|command))?\]?\*{0,3}\s{0,2}:(?=[^\n]{0,160}(?:you|user|assistant|must|ignore|restrictions?|instructions?|rules|access|mode|now|ai\b))/g,
  },
];
