/** Words of generated sentences: lower-case ASCII, at most 16 letters each. */
export const WORDS = {
  /** Singular nouns. */
  n: list(
    'anchor basin bridge canal channel compass current delta estuary ferry fisher gate harbour heron island lantern ' +
      'ledger lighthouse map meadow mill miller mist notebook orchard otter pebble pilot pump question rain raft ' +
      'reed reservoir ripple river season shore signal sluice spillway spring stone stream surveyor tide tower ' +
      'traveller valley water weir wheel willow wind',
  ),
  /** Plural nouns. */
  p: list(
    'answers banks boats bridges channels clouds currents details eddies farmers fields fish floods gates herons ' +
      'ideas letters maps measures mills notes numbers patterns pebbles people places questions reeds ripples rivers ' +
      'rules seasons signs stones stories streams tides towns travellers trees valleys waves wheels words',
  ),
  /** Verbs in the third person singular that take an object. */
  v: list(
    'answers carries changes counts crosses explains feeds finds follows gathers guides holds joins keeps leaves ' +
      'marks measures meets moves notes passes reaches records remembers returns shapes shares shows steadies turns ' +
      'waters weighs',
  ),
  /** Adjectives. */
  a: list(
    'ancient blue bright broad calm careful clear cold curious deep distant early even gentle green grey hidden ' +
      'honest light long low narrow new old patient plain quick quiet rapid shallow simple slow small smooth soft ' +
      'steady still strong sunny tall wide wooden young',
  ),
} as const;

/** Templates: `{n}`, `{p}`, `{v}` and `{a}` are replaced by words, `{t}` by a topic of the conversation. */
export const SENTENCES = [
  'The {a} {n} {v} the {n}.',
  'Every {n} {v} a {a} {n}, and the {p} follow.',
  'When the {n} is {a}, the {p} are {a} too.',
  'A {n} near the {n} {v} {t} in a {a} way.',
  'For {t}, think of a {n} that {v} the {a} {p}.',
  'Most {p} begin as {a} {p}.',
  'The {p} of the {n} are {a}, but never {a}.',
  'Between the {n} and the {n} there are {a} {p}.',
  'It helps to see {t} as a {n} among {p}.',
  'Nobody {v} the {n} without a {a} {n}.',
  'In time the {n} {v} its {p}, one by one.',
  'Some {p} are {a}; others need a {n}.',
  'The {n} {v} what the {n} {v}.',
  'With {a} {p}, {t} becomes {a} and {a}.',
  'First comes the {n}, then the {p}, and last the {a} {n}.',
  'What {v} the {n} also {v} {t}.',
] as const;

/** Openings of responses to a message with topics. */
export const OPENINGS = [
  'You wrote about {topics}, and this is the simulator answering.',
  'Here is a simulated answer about {topics}.',
  'On {topics}, the simulator has this to say.',
  'Thank you for asking about {topics}; the words that follow are made up.',
] as const;

/** Openings of responses to a message without topics. */
export const PLAIN_OPENINGS = [
  'This is the simulator answering; the words that follow are made up.',
  'Here is a simulated answer.',
] as const;

/** Templates of reasoning. */
export const THOUGHTS = [
  'The message is about {topics}, so I start there.',
  'First I look at {topics}.',
  'Let me think about {topics}.',
] as const;

function list(text: string): readonly string[] {
  return text.split(' ');
}
