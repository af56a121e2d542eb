/**
 * Words that may stand for each other in a question without changing its answer. A group is added only where that holds in
 * every usual context: a missing group costs a hit, a wrong one serves a wrong response.
 */
const GROUPS = [
  'remove delete erase',
  'change update modify edit alter',
  'create make generate build produce',
  'fix repair resolve',
  'buy purchase',
  'begin start commence',
  'end finish',
  'stop quit cease',
  'get obtain receive acquire',
  'display show',
  'enable activate',
  'disable deactivate',
  'help assist',
  'choose select pick',
  'contact reach',
  'improve enhance',
  'increase raise boost',
  'decrease reduce lower lessen',
  'fast quick quickly rapid rapidly',
  'big large',
  'biggest largest',
  'bigger larger',
  'smart intelligent clever',
  'sick ill',
  'doctor physician',
  'car automobile',
  'movie film',
  'photo picture photograph',
  'phone telephone',
  'price cost',
  'problem issue',
  'important crucial',
  'way method',
  'benefit advantage pro',
  'drawback disadvantage con downside',
  'child kid',
  'country nation',
  'folder directory',
  'wrong incorrect',
  'right correct',
  'happy glad',
  'difficult hard',
  'easy simple',
  'cheap inexpensive',
  'expensive costly',
  'common frequent',
  'kind type',
  'reply respond answer',
  'live reside',
  'website site',
  'database db',
  'javascript js',
  'kubernetes k8s',
  'postgres postgresql',
  'usa US america',
  'uk UK',
  'eu EU',
  'information info',
  'documentation docs doc',
  'repository repo',
  'configuration config',
  'parameter param',
  'maximum max',
  'bike bicycle',
  'fridge refrigerator',
  'airplane plane aircraft',
  'meaning definition',
  'use utilize',
  'need require',
  'recommend suggest',
  'occur happen',
  'send submit',
  'exam examination',
  'ad advertisement',
  'lawyer attorney',
  'avoid prevent',
  'compute calculate',
  'refund reimbursement',
  'program programme',
  'mom mum mother',
  'dad father',
  'allow permit',
];

const CANONICAL: ReadonlyMap<string, string> = new Map(
  GROUPS.flatMap((group) => {
    const [first = '', ...others] = group.split(' ');
    return others.map((word) => [word, first] as const);
  }),
);

/** @returns the word that stands for all synonyms of a word; the word itself where it has none */
export function canonicalOf(word: string): string {
  return CANONICAL.get(word) ?? word;
}

/** Pairs with opposite meanings, which similarity takes for the same. Named in explanations. */
const ANTONYMS =
  'safe dangerous,increase decrease,before after,buy sell,import export,with without,enable disable,open close,accept reject,gain lose,lock unlock,maximum min,high low,highest lowest,strength weakness,ascending descending,full empty,add remove,rise fall,best worst,public private,arrive depart,inside outside,begin stop,bigger smaller,biggest smallest,faster slower,more less,most least,older younger,better worse,in out,up down,on off,above below,over under,win lose,push pull,hot cold,light dark,old new,early late,left right,benefit drawback,upload download,encrypt decrypt,install uninstall,borrow lend,always never,for against,to from,first last,connect disconnect,positive negative,true false,legal illegal,paid unpaid,sunrise sunset';

const OPPOSITES: ReadonlySet<string> = new Set(
  ANTONYMS.split(',').flatMap((pair) => {
    const [a = '', b = ''] = pair.split(' ');
    const [one, other] = [canonicalOf(a), canonicalOf(b)];
    return [`${one} ${other}`, `${other} ${one}`];
  }),
);

/** Whether two words have opposite meanings. */
export function isAntonym(a: string, b: string): boolean {
  if (OPPOSITES.has(`${a} ${b}`)) return true;
  return (
    [`un${a}`, `dis${a}`, `in${a}`, `il${a}`, `im${a}`, `ir${a}`, `non${a}`].includes(b) || isPrefixed(a, b)
  );
}

function isPrefixed(a: string, b: string): boolean {
  return ['un', 'dis', 'in', 'il', 'im', 'ir', 'non'].some((prefix) => a === `${prefix}${b}`);
}
