import type { ModerationCategory } from '../../core/moderation.ts';

/** One rule: a pattern, and how sure a match makes of its category. */
export interface ModerationRule {
  readonly category: ModerationCategory;
  /** From 0 to 1. Rules that match together add up: 1 - (1 - a)(1 - b). */
  readonly weight: number;
  readonly pattern: RegExp;
}

/** Up to four words between two parts of a phrase. */
const GAP = String.raw`(?:\W{1,4}\w{1,24}){0,4}\W{1,4}`;
const GROUPS =
  '(?:jews|muslims|christians|hindus|blacks|black people|whites|white people|asians|arabs|mexicans|africans|gays|gay people|lesbians|trans people|immigrants|refugees|foreigners|women|disabled people)';
const ME = `(?:myself|my(?: own)? life|it all|my wrists)`;
const YOU = `(?:you|u|him|her|them|your (?:family|wife|husband|kids|children|mother|father))`;
const HARM = '(?:kill|murder|shoot|stab|strangle|behead|hurt|beat|destroy|burn)';

const rule = (category: ModerationCategory, weight: number, pattern: string): ModerationRule => ({
  category,
  weight,
  pattern: new RegExp(String.raw`\b(?:${pattern})\b`, 'giu'),
});

/**
 * English words and phrases. They read text alone, know no context and no irony, and miss what is said in other words: scores
 * are the confidence of the rule, no probability. Ambiguous words have a weight below the threshold.
 */
export const MODERATION_RULES: readonly ModerationRule[] = [
  rule(
    'harassment',
    0.7,
    `you(?:'re| are)(?: all| such)?${GAP}(?:idiot|moron|loser|scum|trash|worthless|pathetic|disgusting)s?`,
  ),
  rule(
    'harassment',
    0.7,
    `(?:you(?:'re| are)|ur) (?:an? )?(?:idiot|moron|loser|scum|trash|worthless|pathetic|disgusting)`,
  ),
  rule(
    'harassment',
    0.8,
    `(?:no one|no[b]ody) (?:likes|loves|wants) you|go to hell|shut up,? you|everyone hates you`,
  ),
  rule('harassment', 0.9, `(?:go )?(?:kill yourself|kys|die in a fire)`),
  rule('harassment', 0.6, `f+u+c+k you|screw you`),
  rule(
    'harassment/threatening',
    0.9,
    `(?:i(?:'ll| will|'m going to| am going to| wanna| want to)|we(?:'ll| will)) (?:${HARM}) ${YOU}`,
  ),
  rule(
    'harassment/threatening',
    0.8,
    `(?:i know where you live|watch your back|you(?:'re| are) (?:dead|a dead (?:man|woman)))`,
  ),
  rule('hate', 0.8, `(?:i )?(?:hate|despise|can't stand) (?:all )?(?:the )?${GROUPS}`),
  rule(
    'hate',
    0.85,
    `${GROUPS} (?:are|is) (?:all )?(?:subhuman|vermin|parasites|animals|inferior|filth|garbage|a plague|a disease|cockroaches|rats)`,
  ),
  rule('hate', 0.8, `(?:deport|ban|get rid of|eliminate) (?:all )?(?:the )?${GROUPS}`),
  rule('hate/threatening', 0.9, `(?:kill|exterminate|gas|lynch|hang|shoot|burn) (?:all )?(?:the )?${GROUPS}`),
  rule(
    'hate/threatening',
    0.9,
    `${GROUPS} (?:should|must|deserve to) (?:all )?(?:die|be (?:killed|shot|hanged|gassed|exterminated))`,
  ),
  rule(
    'illicit',
    0.7,
    `how (?:to|do i|can i|would i)${GAP}(?:launder money|forge a passport|counterfeit money|pick a lock and rob|hotwire a car|shoplift|evade taxes)`,
  ),
  rule(
    'illicit',
    0.8,
    `(?:cook|make|synthesi[sz]e|manufacture)${GAP}(?:meth|methamphetamine|crystal meth|heroin|fentanyl|crack cocaine|mdma)`,
  ),
  rule('illicit', 0.7, `(?:buy|sell|order)${GAP}(?:stolen (?:credit )?cards?|fake passports?|illegal drugs)`),
  rule(
    'illicit/violent',
    0.9,
    `(?:build|make|assemble|construct)${GAP}(?:pipe bomb|nail bomb|car bomb|explosive device|molotov(?: cocktail)?|nerve gas|sarin|ricin|dirty bomb|bomb)`,
  ),
  rule(
    'illicit/violent',
    0.85,
    String.raw`(?:hire|find) a (?:hit ?man|contract killer)|how to (?:get away with murder|poison (?:someone|my \w{1,20}))`,
  ),
  rule('self-harm', 0.6, `suicid(?:e|al)|self[- ]harm(?:ing)?|cutting myself`),
  rule('self-harm', 0.8, `(?:want|going|plan|ready|wish) to (?:die|kill myself|end ${ME})`),
  rule(
    'self-harm/intent',
    0.9,
    `i(?:'m| am)? ?(?:want|going|gonna|plan|planning|ready|wanna)(?: to)? (?:kill ${ME}|end ${ME}|take my own life|hurt myself|cut ${ME}|hang myself)`,
  ),
  rule(
    'self-harm/intent',
    0.8,
    `i (?:want to|wanna|wish i could) die|i don't want to (?:live|be alive) any ?more|no reason to live`,
  ),
  rule(
    'self-harm/instructions',
    0.9,
    `(?:how (?:to|do i|can i)|(?:best|painless|easiest|quickest) (?:way|method) (?:to|of)|what is the best way to)${GAP}(?:kill (?:my|your)self|commit suicide|hang (?:my|your)self|overdose|cut (?:my|your)self)`,
  ),
  rule(
    'self-harm/instructions',
    0.9,
    `how (?:to|do i|can i) (?:kill (?:my|your)self|commit suicide|hang (?:my|your)self|overdose|cut (?:my|your)self)`,
  ),
  rule(
    'sexual',
    0.8,
    `(?:explicit|hardcore|graphic) (?:sex|porn|erotica)|sexual intercourse with|have sex with me|send (?:me )?nudes`,
  ),
  rule(
    'sexual',
    0.5,
    `porn(?:o|ographic|ography)?|blow ?jobs?|hand ?jobs?|masturbat(?:e|es|ing|ion)|orgasms?|erotic(?:a)?|horny|nudes|gangbang`,
  ),
  rule(
    'sexual/minors',
    0.95,
    `child porn(?:ography)?|csam|(?:sex|sexual|nude|naked|erotic)${GAP}(?:minors?|child|children|underage|schoolgirls?|schoolboys?|preteens?|toddlers?)`,
  ),
  rule(
    'sexual/minors',
    0.95,
    String.raw`(?:sex with|naked|nude|sexualized) (?:a )?(?:minors?|child|children|underage|schoolgirls?|preteens?|toddlers?|(?:\d|1[0-7])[- ]year[- ]olds?)`,
  ),
  rule(
    'violence',
    0.6,
    `(?:${HARM}(?:ed|s|ing)?) (?:someone|some[b]ody|people|everyone|a (?:man|woman|person|child)|${YOU}|my (?:boss|wife|husband|neighbou?r|coworkers?|teacher|classmates))`,
  ),
  rule(
    'violence',
    0.7,
    `(?:mass|school) shooting|shoot up (?:a|the|my) (?:school|church|mall|office)|massacre (?:them|everyone|people)`,
  ),
  rule('violence', 0.5, `beat(?:ing|s)?${GAP}to death|stabbed${GAP}times`),
  rule(
    'violence/graphic',
    0.7,
    `(?:severed|decapitated|disembowell?ed|dismembered|mutilated)${GAP}(?:heads?|bod(?:y|ies)|corpses?|limbs?|arms?|legs?)`,
  ),
  rule(
    'violence/graphic',
    0.7,
    `(?:blood|guts|intestines|brains)${GAP}(?:splattered|spilled|gushed|sprayed|everywhere)`,
  ),
];

/** A category is flagged from this score. */
export const FLAGGED_FROM = 0.5;
