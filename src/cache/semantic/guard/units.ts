/** Written forms of units, each with its name. Single letters count after a number only. */
const UNITS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    kilometer: 'km kms kilometer kilometers kilometre kilometres',
    meter: 'meter meters metre metres',
    centimeter: 'cm cms centimeter centimeters centimetre centimetres',
    millimeter: 'mm millimeter millimeters millimetre millimetres',
    mile: 'mi mile miles',
    foot: 'ft foot feet',
    inch: 'inch inches',
    yard: 'yd yards yard',
    kilogram: 'kg kgs kilogram kilograms kilo kilos',
    gram: 'gram grams gramme grammes',
    milligram: 'mg milligram milligrams',
    microgram: 'mcg µg μg microgram micrograms',
    pound: 'lb lbs pound pounds',
    ounce: 'oz ounce ounces',
    liter: 'liter liters litre litres',
    milliliter: 'ml milliliter milliliters millilitre millilitres',
    gallon: 'gal gallon gallons',
    second: 'sec secs seconds',
    minute: 'minute minutes mins',
    hour: 'hr hrs hour hours',
    day: 'day days',
    week: 'week weeks',
    month: 'month months',
    year: 'year years yr yrs',
    millisecond: 'ms millisecond milliseconds',
    byte: 'byte bytes',
    kilobyte: 'kb kilobyte kilobytes',
    megabyte: 'mb megabyte megabytes',
    gigabyte: 'gb gigabyte gigabytes',
    terabyte: 'tb terabyte terabytes',
    celsius: 'celsius centigrade',
    fahrenheit: 'fahrenheit',
    kelvin: 'kelvin',
    watt: 'watt watts',
    kilowatt: 'kw kilowatt kilowatts',
    volt: 'volt volts',
    hertz: 'hz hertz',
    mph: 'mph',
    kmh: 'kmh kph',
    calorie: 'cal calorie calories',
    kilocalorie: 'kcal kilocalorie kilocalories',
    am: 'am',
    pm: 'pm',
    usd: 'usd dollar dollars',
    eur: 'eur euro euros',
    gbp: 'gbp',
    jpy: 'jpy yen',
    inr: 'inr rupee rupees',
    rub: 'rub ruble rubles rouble roubles',
    chf: 'chf franc francs',
    cent: 'cent cents',
  }).flatMap(([name, forms]) => forms.split(' ').map((form) => [form, name] as const)),
);

/** After a number only; capitals tell them apart. */
const SHORT: Readonly<Record<string, string>> = {
  m: 'meter',
  g: 'gram',
  l: 'liter',
  L: 'liter',
  h: 'hour',
  s: 'second',
  d: 'day',
  min: 'minute',
  in: 'inch',
  C: 'celsius',
  F: 'fahrenheit',
  K: 'kelvin',
  W: 'watt',
  V: 'volt',
  Mb: 'megabit',
  Gb: 'gigabit',
  mW: 'milliwatt',
  MW: 'megawatt',
};

const CURRENCIES: Readonly<Record<string, string>> = {
  $: 'usd',
  '€': 'eur',
  '£': 'gbp',
  '¥': 'jpy',
  '₹': 'inr',
  '₽': 'rub',
  '₩': 'krw',
  '₿': 'btc',
};

export const CURRENCY_NAMES: ReadonlySet<string> = new Set(
  'usd eur gbp jpy inr rub chf cent krw btc'.split(' '),
);
export const UNIT_NAMES: ReadonlySet<string> = new Set([...UNITS.values(), ...Object.values(SHORT)]);

/** @param suffix letters that follow a number directly. @returns the name of the unit */
export function unitOf(suffix: string): string | undefined {
  // A decade: `the 80s`.
  if (suffix === 's') return undefined;
  return SHORT[suffix] ?? UNITS.get(suffix.toLowerCase());
}

/** @returns the name of a unit that stands as a word; undefined for other words */
export function unitWord(word: string, followsNumber: boolean): string | undefined {
  return UNITS.get(word) ?? (followsNumber ? SHORT[word] : undefined);
}

/** @returns the currency of a sign; undefined for other characters */
export function currencyOf(sign: string): string | undefined {
  return CURRENCIES[sign];
}
