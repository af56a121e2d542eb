/** Frequent words of languages in Latin script: words that others do not have. */
const STOP_WORDS: Readonly<Record<string, string>> = {
  en: 'the and is are was were you that this with for have not what how which would could should please about from they there',
  de: 'der die das und ist nicht ich sie ein eine mit für auf den dem wie was bitte kann werden auch wenn sich haben',
  fr: 'le les des est une que pour dans pas vous avec sur qui ce cette sont comment quel quelle nous mais être',
  es: 'el los las una que para con por está cómo qué es son pero como más este esta tiene puede muy',
  it: 'il lo gli una che per con non sono come questo questa della del è cosa puoi anche più nel',
  pt: 'os uma que para com não está como você são mais este esta pelo pela isso tem mas também',
  nl: 'het een van en niet dat met voor zijn wat hoe kan deze ook maar naar wordt ik je',
  pl: 'nie jest się na to że jak co dla czy ale przez tego są może jestem proszę',
  sv: 'och att det som är inte för med på av till den ett hur kan jag',
  da: 'og at det er ikke for med på af til den et hvordan kan jeg der',
  cs: 'je se na že to jak co ale pro jsem jsou není také může prosím',
  tr: 've bir bu için ile ne nasıl değil daha çok gibi olarak var mı',
  ro: 'și este nu pe care să cu din ce cum pentru mai sunt această',
  fi: 'ja on ei että se mitä miten tämä ovat kuin mutta voi myös',
  hu: 'és az egy nem hogy van mi hogyan ez meg csak is kell',
  id: 'dan yang di untuk dengan ini itu tidak apa bagaimana dari adalah saya bisa',
  vi: 'và là của không có cho với này những được trong các tôi như',
};
const SCRIPTS: readonly (readonly [string, RegExp])[] = [
  ['ja', /[\u3040-\u30ff]/],
  ['ko', /[\uac00-\ud7af]/],
  ['zh', /[\u4e00-\u9fff]/],
  ['ar', /[\u0600-\u06ff]/],
  ['he', /[\u0590-\u05ff]/],
  ['hi', /[\u0900-\u097f]/],
  ['th', /[\u0e00-\u0e7f]/],
  ['el', /[\u0370-\u03ff]/],
  ['uk', /[іїєґ]/i],
  ['ru', /[\u0400-\u04ff]/],
];
const WORDS = Object.entries(STOP_WORDS).map(([code, words]) => [code, new Set(words.split(' '))] as const);
/** UTF-16 units that are read. */
const SAMPLE = 4_000;

/** Languages that are recognised, by their ISO 639-1 codes. */
export const LANGUAGE_CODES: readonly string[] = [
  ...Object.keys(STOP_WORDS),
  ...SCRIPTS.map(([code]) => code),
];

/** @returns the ISO 639-1 code of a text's language; undefined for short texts, code, and what is in doubt */
export function languageOf(text: string): string | undefined {
  const sample = text.slice(0, SAMPLE);
  const letters = sample.match(/\p{L}/gu)?.length ?? 0;
  if (letters < 8) return undefined;
  const latin = sample.match(/[A-Za-z\u00c0-\u024f]/g)?.length ?? 0;
  if (latin < letters / 2) return SCRIPTS.find(([, script]) => script.test(sample))?.[0];
  const words = sample.toLowerCase().match(/\p{L}+/gu) ?? [];
  let best: string | undefined;
  let [most, second] = [0, 0];
  for (const [code, known] of WORDS) {
    const found = words.filter((word) => known.has(word)).length;
    if (found > most) [best, second, most] = [code, most, found];
    else if (found > second) second = found;
  }
  return most >= 2 && most > second * 1.2 ? best : undefined;
}

const FENCE = /```|~~~/;
const CODE_LINE =
  /^\s*(?:(?:public|private|protected|static|final|async|export|import|from|const|let|var|def|class|function|fn|func|struct|enum|interface|package|using|namespace|return|if\s*\(|for\s*\(|while\s*\(|#include|SELECT\b.{1,200}\bFROM)\b|[\w.$]+\s*=\s*.{1,200};|.{0,200}[;{}]\s*$|<\/?[a-z][^>]{0,100}>\s*$)/i;

/** Whether a text contains program code: a fenced block, or several lines of a program. */
export function hasCode(text: string): boolean {
  if (FENCE.test(text)) return true;
  let lines = 0;
  for (const line of text.slice(0, 200_000).split('\n')) {
    if (line.length < 1_000 && line.trim().length > 1 && CODE_LINE.test(line)) lines += 1;
    if (lines >= 3) return true;
  }
  return false;
}
