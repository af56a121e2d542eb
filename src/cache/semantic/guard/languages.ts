/** Frequent words that tell a language, by language. */
const HINTS: Readonly<Record<string, string>> = {
  en: "the a an any some all more most than like know want need use used work works time people good best safe far long many much old big take happened happen help other only after before is are am was were do does did what which who whom whose when where why how can could will would should must may might i you we they he she it my your our their his her to of in on at for with from by about and or not this that these those there have has had if between give me no tell compose summary steps ways show explain write list describe define calculate convert translate summarize please hello hi make get find create use without into don't can't won't isn't what's who's how's",
  de: 'bedeutet heißt funktioniert gibt der die das ein eine einen einem einer des dem den ist sind war was wer wie wo wann warum welche welcher welches kann kannst können soll muss darf ich du wir ihr sie er es mein dein und oder nicht kein keine keinen mit ohne für von zu zum zur im in am auf aus bei nach vor über unter habe hat haben wird werden bitte gibt auch setze erkläre erklären schreibe nenne viele',
  fr: "me on le la les un une des du de au aux est sont était que qui quoi quel quelle quels quelles comment pourquoi où quand combien je tu il elle nous vous ils mon ma mes ton ta votre vos notre et ou ne pas sans avec pour dans sur par ce cette ces puis peux peut pouvez est-ce c'est qu'est suis ai a as ont faire plaît s'il dire explique expliquer écris donne tous toutes quelques l'espagne d'un d'une",
  es: 'a el la los las un una unos unas es son era qué que quién quien cuál cómo como cuándo dónde por para con sin de del al en y o no mi tu su mis yo me te se puedo puedes puede hay este esta estos cuántos cuánto cuánta favor explica explícame escribe dime',
  it: "il lo la i gli le un uno una è sono era che chi cosa quale quali come quando dove perché quanto quanti quante di del della dei da al alla in con senza per e o non mi tu io mio mia posso puoi può qual c'è questo questa scrivi spiega spiegami dimmi cos'è",
  pt: 'o a me os as um uma é são era que quem qual quais como quando onde quanto quantos quantas por porque para com sem de do da dos das no na em e ou não meu minha eu você posso pode este esta isso há explique escreva tem',
  nl: 'we de het een is zijn was betekent werkt wat wie welke hoe waar wanneer waarom ik jij je u wij we hij zij mijn jouw uw en of niet geen met zonder voor van naar te in op aan uit bij over kan kun kunt kunnen moet heb hebt heeft dit dat deze die leg schrijf veel',
  sv: 'den det en ett är var vad vem vilken hur varför när jag du vi han hon min din och eller inte med utan för från till på av om kan ska har finns',
  pl: 'jest są co kto jaki jaka jakie jak gdzie kiedy dlaczego ile nie mój moje moja z bez dla od do na w i lub czy mogę się to',
  tr: 'bir bu ne kim nasıl nerede neden kaç ve veya değil için ile mi mı mu benim nedir var yok',
};

const BY_WORD: ReadonlyMap<string, readonly string[]> = (() => {
  const languages = new Map<string, string[]>();
  for (const [language, words] of Object.entries(HINTS)) {
    for (const word of words.split(' ')) languages.set(word, [...(languages.get(word) ?? []), language]);
  }
  return languages;
})();

const SCRIPTS: readonly (readonly [string, RegExp])[] = [
  ['ja', /[\p{Script=Hiragana}\p{Script=Katakana}]/u],
  ['ko', /\p{Script=Hangul}/u],
  ['zh', /\p{Script=Han}/u],
  ['cyrillic', /\p{Script=Cyrillic}/u],
  ['greek', /\p{Script=Greek}/u],
  ['arabic', /\p{Script=Arabic}/u],
  ['hebrew', /\p{Script=Hebrew}/u],
  ['devanagari', /\p{Script=Devanagari}/u],
  ['thai', /\p{Script=Thai}/u],
];

/**
 * Guesses the language of a short text by its script and its frequent words.
 * @param words in lower case
 * @param names words that are names: they say nothing about the language
 * @returns such as `en`; `other` where nothing tells it, or two fit equally well
 */
export function languageOf(words: readonly string[], names: ReadonlySet<string>): string {
  const letters = words.join('');
  for (const [name, script] of SCRIPTS) if (script.test(letters)) return name;
  const hits = new Map<string, number>();
  for (const word of words) {
    if (names.has(word)) continue;
    for (const language of BY_WORD.get(word) ?? []) hits.set(language, (hits.get(language) ?? 0) + 1);
  }
  let best = 'other';
  let most = 0;
  for (const language of Object.keys(HINTS)) {
    const count = hits.get(language) ?? 0;
    if (count === most) best = 'other';
    else if (count > most) {
      best = language;
      most = count;
    }
  }
  return best;
}

/** One rewriting of a text in one language. `$INTENT` in front of the rest names what is asked for. */
export type Rewrite = readonly [RegExp, string];

/**
 * Phrases with which the same is asked in other languages than English. Everything else is compared word by word.
 */
export const OTHER_REWRITES: Readonly<Record<string, readonly Rewrite[]>> = {
  de: [
    [/^(?:hallo|hi|guten tag) ,? ?/, ''],
    [/^(?:kannst du|könntest du|können sie|könnten sie) (?:mir )?(?:bitte )?(?:sagen|erklären) , /, ''],
    [/^(?:bitte )?(?:erkläre|erklär|erklären sie)(?: mir)? , /, ''],
    [/^ich (?:möchte|will) wissen , /, ''],
    [/ bitte(?= |$)/g, ''],
    [/^was (?:ist|bedeutet|heißt) (?:ein |eine |der |die |das )?(\S+)$/, '$WHAT $1'],
    [/^was ist (.+)$/, '$WHAT $1'],
    [/^was (.+) ist$/, '$WHAT $1'],
    [/^(wie|warum|wo|wann|wer) (.+) (funktioniert|ist|liegt|entsteht)$/, '$1 $3 $2'],
  ],
  fr: [
    [/^(?:bonjour|salut) ,? ?/, ''],
    [/^(?:peux tu|pouvez vous|pourriez vous|pourrais tu) (?:me |m')?(?:dire|expliquer) /, ''],
    [/ s'il (?:te|vous) plaît(?= |$)/g, ''],
    [/^comment (?:est ce que je peux|puis je|je peux|peut on|faire pour) /, '$HOWTO '],
    [/^comment (\S+(?:er|ir|re)) /, '$HOWTO $1 '],
    [/^(?:qu'est ce que|qu'est ce qu'|c'est quoi|qu'est ce que c'est que) /, '$WHAT '],
  ],
  es: [
    [/^hola ,? ?/, ''],
    [/^(?:me )?(?:puedes|podrías|puede) (?:decirme|decir|explicarme|explicar) /, ''],
    [/ por favor(?= |$)/g, ''],
    [/^cómo (?:puedo|podría|se puede) (\S+(?:ar|er|ir)) /, '$HOWTO $1 '],
    [/^cómo (\S+(?:ar|er|ir)) /, '$HOWTO $1 '],
    [/^qué (?:es|significa) /, '$WHAT '],
  ],
  it: [
    [/^ciao ,? ?/, ''],
    [/^(?:mi )?(?:puoi|potresti|può) (?:dirmi|dire|spiegarmi|spiegare) /, ''],
    [/ per favore(?= |$)/g, ''],
    [/^come (?:posso|si può|potrei) (\S+(?:are|ere|ire)) /, '$HOWTO $1 '],
    [/^come (\S+(?:are|ere|ire)) /, '$HOWTO $1 '],
    [/^(?:cos'è|che cos'è|cosa è|che cosa è|cosa significa) /, '$WHAT '],
  ],
  pt: [
    [/^(?:olá|oi) ,? ?/, ''],
    [/^(?:você )?(?:pode|poderia) (?:me )?(?:dizer|explicar) /, ''],
    [/ por favor(?= |$)/g, ''],
    [/^como (?:posso|eu posso|faço para|se pode) (\S+[aei]r) (?:o |a |minha |meu )?/, '$HOWTO $1 '],
    [/^como (\S+[aei]r) (?:o |a |minha |meu )?/, '$HOWTO $1 '],
    [/^(?:o que é|o que significa|que é) /, '$WHAT '],
  ],
  nl: [
    [/^(?:hallo|hoi) ,? ?/, ''],
    [/^(?:kun je|kunt u|kan je) (?:me |mij )?(?:vertellen|zeggen|uitleggen) /, ''],
    [/ (?:alsjeblieft|alstublieft)(?= |$)/g, ''],
    [/^wat (?:is|betekent) (?:een )?(\S+)$/, '$WHAT $1'],
  ],
};
