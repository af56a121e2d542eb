import { canonicalOf } from './synonyms.ts';

/** A verb form that shows tense or voice. */
export type VerbForm = 'past' | 'participle' | 'both';

export interface WordForms {
  /** Base forms that the word may have; two words are the same where they share one. */
  readonly forms: readonly string[];
  readonly verb?: VerbForm | undefined;
}

/** Base, past and participle of irregular verbs; one word where they are the same. */
const IRREGULAR =
  'be was/were been,become became become,begin began begun,bite bit bitten,blow blew blown,break broke broken,bring brought,build built,buy bought,catch caught,choose chose chosen,come came come,deal dealt,dig dug,do did done,draw drew drawn,drink drank drunk,drive drove driven,eat ate eaten,fall fell fallen,feel felt,fight fought,find found,fly flew flown,forget forgot forgotten,forgive forgave forgiven,freeze froze frozen,get got gotten,give gave given,go went gone,grow grew grown,hang hung,have had,hear heard,hide hid hidden,hold held,keep kept,know knew known,lead led,leave left,lend lent,lose lost,make made,mean meant,meet met,pay paid,ride rode ridden,ring rang rung,rise rose risen,run ran run,say said,see saw seen,sell sold,send sent,shake shook shaken,shine shone,shoot shot,show showed shown,sing sang sung,sink sank sunk,sit sat,sleep slept,speak spoke spoken,spend spent,stand stood,steal stole stolen,swim swam swum,take took taken,teach taught,tell told,think thought,throw threw thrown,understand understood,wake woke woken,wear wore worn,win won,write wrote written,beat beat beaten';

const NOUNS =
  'children child,men man,women woman,people people,mice mouse,feet foot,teeth tooth,geese goose,lives life,leaves leaf,wives wife,knives knife,wolves wolf,shelves shelf,halves half,indices index,indexes index,matrices matrix,vertices vertex,criteria criterion,phenomena phenomenon,analyses analysis,crises crisis,data data';

/** Words that end in `s` without being plurals, or whose plural means something else. */
const WHOLE: ReadonlySet<string> = new Set(
  'news goods shorts jeans pants means savings customs clothes glasses species series physics economics mathematics maths politics arms spirits colons this his its is was has does us bus gas yes plus less always perhaps kubernetes redis postgres jenkins aws dns css js https sass os ios canvas atlas texas paris mars james windows airpods pandas lens tennis diabetes status virus campus bonus focus process address business access class pass glass success canadas united need feed seed speed bed red indeed hundred sacred shed wed exceed proceed succeed bleed breed greed weed thing something anything nothing everything king ring spring string morning evening during wing sing bring building ceiling pricing wedding red embed aed'.split(
    ' ',
  ),
);

type IrregularForm = readonly [string, { readonly base: string; readonly verb: VerbForm }];

const IRREGULAR_FORMS: ReadonlyMap<string, IrregularForm[1]> = new Map(
  IRREGULAR.split(',').flatMap((entry): readonly IrregularForm[] => {
    const [base = '', past = '', participle] = entry.split(' ');
    const verb = participle === undefined ? 'both' : 'past';
    const forms = past
      .split('/')
      .filter((form) => form !== base)
      .map((form): IrregularForm => [form, { base, verb }]);
    if (participle === undefined || participle === base) return forms;
    return [...forms, [participle, { base, verb: 'participle' }]];
  }),
);

const IRREGULAR_NOUNS: ReadonlyMap<string, string> = new Map(
  NOUNS.split(',').map((entry) => {
    const [plural = '', singular = ''] = entry.split(' ');
    return [plural, singular] as const;
  }),
);

/** Spellings of British English, as far as endings show them. */
function spelling(word: string): string {
  return word
    .replace(/^(col|fav|flav|hon|lab|neighb|behavi|hum)our/, '$1or')
    .replace(/^(cent|theat|fib|met|lit)re(s?)$/, '$1er$2')
    .replace(/(.{3,})is(e[ds]?|ing|ation)$/, (whole: string, stem: string, end: string) =>
      /^(?:organ|real|recogn|optim|custom|summar|author|minim|maxim|normal|serial|initial|visual|character|categor|priorit|apolog|memor|synchron|token|local|final|special|util|standard|modern)$/.test(
        stem,
      )
        ? `${stem}iz${end}`
        : whole,
    )
    .replace(/^(cancel|travel|label|model|signal)l(ed|ing)$/, '$1$2')
    .replace(/^catalogue/, 'catalog')
    .replace(/^grey$/, 'gray')
    .replace(/^aeroplane/, 'airplane');
}

/**
 * @param keepsNumber singular and plural are different words
 * @returns the base forms of an English word in lower case, each in its canonical synonym
 */
export function wordForms(written: string, keepsNumber: boolean): WordForms {
  const word = spelling(written);
  const { bases, verb } = basesOf(word);
  const canonical = bases.map(canonicalOf);
  const plural = isPlural(word) ? canonical.map((base) => `${base}${PLURAL}`) : [];
  // A name in the other text is compared as it is written.
  const forms = keepsNumber && plural.length > 0 ? [...plural, word] : [...canonical, ...plural, word];
  return { forms: [...new Set(forms)], verb };
}

/** After the base form of a plural. */
export const PLURAL = '*';

/** Names with another common form. Others have neither synonyms nor a plural: `Adams` is not `Adam`. */
const NAME_FORMS: ReadonlyMap<string, string> = new Map([
  ...['apis', 'pdfs', 'faqs', 'urls'].map((plural) => [plural, plural.slice(0, -1)] as const),
  ...['america', 'js', 'k8s', 'postgresql'].map((name) => [name, canonicalOf(name)] as const),
]);

/** @param name in lower case */
export function nameForms(name: string): readonly string[] {
  return [NAME_FORMS.get(name) ?? name];
}

function isPlural(word: string): boolean {
  return IRREGULAR_NOUNS.has(word) || (/[^su]s$/.test(word) && !/is$/.test(word) && word.length > 3);
}

function basesOf(word: string): { readonly bases: readonly string[]; readonly verb?: VerbForm } {
  if (word.length < 4 && !IRREGULAR_FORMS.has(word) && !IRREGULAR_NOUNS.has(word)) {
    return { bases: [word] };
  }
  const noun = IRREGULAR_NOUNS.get(word);
  const irregular = IRREGULAR_FORMS.get(word);
  if (noun !== undefined) return { bases: [noun] };
  if (irregular) return { bases: [irregular.base], verb: irregular.verb };
  if (WHOLE.has(word)) return { bases: [word] };
  if (/ied$/.test(word)) return { bases: [`${word.slice(0, -3)}y`], verb: 'both' };
  if (/ed$/.test(word)) return { bases: stripped(word.slice(0, -2)), verb: 'both' };
  if (/ing$/.test(word) && /[aeiouy]/.test(word.slice(0, -3))) return { bases: stripped(word.slice(0, -3)) };
  if (/ies$/.test(word)) return { bases: [`${word.slice(0, -3)}y`, word.slice(0, -1)] };
  if (/(?:s|x|z|ch|sh|o)es$/.test(word) && word.length > 5) {
    return { bases: [word.slice(0, -2), word.slice(0, -1)] };
  }
  if (/[^su]s$/.test(word) && !/is$/.test(word)) return { bases: [word.slice(0, -1)] };
  return { bases: [word] };
}

/** The verbs that a form without its ending may come from: `mak` from `make`, `stopp` from `stop`. */
function stripped(stem: string): readonly string[] {
  if (/([bdfgklmnprtv])\1$/.test(stem)) return [stem.slice(0, -1), stem];
  // A short vowel before one consonant would have been doubled: `car` does not make `caring`.
  if (/^[^aeiou]*[aeiou][bdgkmnprtvcsz]$/.test(stem)) return [`${stem}e`];
  if (/[^aeiou](?:[uv]|[cgsz])$|[aeiou][cgsvz]$/.test(stem)) return [`${stem}e`, stem];
  return [stem, `${stem}e`];
}
