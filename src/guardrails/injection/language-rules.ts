import type { InjectionRule } from './rule.ts';

/** Words of one language. Each is a fragment of a pattern, in lower case. */
interface Language {
  /** To ignore or to forget, as an order. */
  readonly ignore: string;
  /** Instructions, rules. */
  readonly object: string;
  /** Previous, all, above, your: without one of them an order is none about the system. */
  readonly scope: string;
  /** The system's prompt or hidden instructions. */
  readonly prompt: string;
  /** To show, to reveal. */
  readonly reveal: string;
  /** Without restrictions. */
  readonly free: string;
  /** Everything before. */
  readonly all?: string;
  /** Words are not separated by spaces. */
  readonly isDense?: boolean;
  /** The object comes before the verb. */
  readonly isVerbLast?: boolean;
}

const WORDS: Readonly<Record<string, Language>> = {
  de: {
    ignore:
      'ignorier\\p{L}*|vergiss|vergesst|vergessen sie|missacht\\p{L}*|verwirf|übergeh\\p{L}*|überschreib\\p{L}*|beachte? nicht|umgeh\\p{L}*',
    object:
      'anweisung\\p{L}*|instruktion\\p{L}*|regeln?|vorgaben|richtlinien|befehle?|anordnungen|einschränkungen|beschränkungen|prompts?|programmierung',
    scope:
      'vorherig\\p{L}*|bisherig\\p{L}*|vorangegangen\\p{L}*|vorangehend\\p{L}*|früher\\p{L}*|obig\\p{L}*|oben|alle|deine|ihre|sämtliche|vorher|davor|zuvor|ursprünglich\\p{L}*|gegebenen',
    all: 'alles,? was (?:dir|ihnen|du|man|ich|vorher|davor|zuvor|bisher|oben)|alles (?:bisherige|vorherige|obige|davor|zuvor|vorher)|alle aufgaben (?:davor|zuvor|vorher)',
    prompt:
      'system-?\\s?prompt\\p{L}*|systemnachricht|system-?anweisung\\p{L}*|(?:geheimen?|versteckten?|ursprünglichen?|internen?) (?:anweisung\\p{L}*|instruktion\\p{L}*|regeln|vorgaben)',
    reveal:
      'zeig\\p{L}*|gib|verrat\\p{L}*|nenn\\p{L}*|wiederhol\\p{L}*|schreib\\p{L}*|druck\\p{L}*|offenbar\\p{L}*|sag\\p{L}*|wie lautet|was steht|ausgeben',
    free: 'ohne (?:jede |jegliche |alle |irgendwelche )?(?:regeln|einschränkung\\p{L}*|beschränkung\\p{L}*|filter|zensur|grenzen)|keine (?:regeln|einschränkungen|beschränkungen|grenzen)',
  },
  fr: {
    ignore:
      'ignor\\p{L}*|oubli\\p{L}*|ne (?:tiens|tenez) (?:pas|plus) compte (?:de|des)|(?:fais|faites) abstraction|ne (?:suis|suivez|respecte) (?:pas|plus)|contourn\\p{L}*|outrepass\\p{L}*',
    object: 'instructions?|consignes?|règles?|directives?|ordres?|restrictions?|prompts?|contraintes?',
    scope:
      'précédent\\p{L}*|ci-dessus|antérieur\\p{L}*|toutes|tous|tes|vos|initial\\p{L}*|données|reçues|avant',
    all: "tout ce (?:qui précède|qu['’]on|que)|tout ce qui a été",
    prompt:
      'prompt (?:du )?système|prompt initial|message système|instructions (?:cachées|secrètes|initiales|système|internes)|invite système',
    reveal:
      'affich\\p{L}*|montr\\p{L}*|révèl\\p{L}*|donn\\p{L}*|répèt\\p{L}*|écri\\p{L}*|dis|dites|quel(?:le)?s? (?:est|sont)|dévoil\\p{L}*|divulgu\\p{L}*',
    free: 'sans (?:aucune? |la moindre )?(?:restrictions?|règles?|limites?|filtres?|censure)|aucune (?:restriction|règle|limite)',
  },
  es: {
    ignore:
      'ignor\\p{L}*|olvid\\p{L}*|haz caso omiso|no (?:sigas|obedezcas|hagas caso)|descart\\p{L}*|pasa por alto|omite|desobedece|anula',
    object:
      'instrucciones|instrucción|reglas?|órdenes|indicaciones|directrices|restricciones|directivas|pautas|prompts?|normas',
    scope: 'anterior\\p{L}*|previ[ao]s?|todas|todos|tus|arriba|precedentes|iniciales|dadas|recibidas|antes',
    all: 'todo lo (?:anterior|que|de arriba)|lo anterior',
    prompt:
      'prompt (?:del?|de tu) sistema|prompt (?:inicial|de sistema)|mensaje (?:del?|de) sistema|instrucciones (?:ocultas|secretas|iniciales|del sistema|internas)|indicaciones del sistema',
    reveal:
      'muestra\\p{L}*|muéstra\\p{L}*|revel\\p{L}*|dime|di|da(?:me)?|repit\\p{L}*|escrib\\p{L}*|imprim\\p{L}*|cuál (?:es|son)|enséña\\p{L}*',
    free: 'sin (?:ningun[ao]? |ninguna )?(?:restricci(?:ón|ones)|reglas?|límites?|filtros?|censura)|ninguna (?:restricción|regla|limitación)',
  },
  it: {
    ignore:
      'ignor\\p{L}*|dimentic\\p{L}*|non (?:seguire|tenere conto|considerare)|trascur\\p{L}*|scorda\\p{L}*|scavalca|aggira',
    object:
      'istruzion[ei]|regol[ae]|indicazion[ei]|direttiv[ae]|ordini|restrizioni|prompt|comandi|linee guida',
    scope: 'precedent[ei]|sopra|tutt[ei]|tue|tuoi|prima|inizial[ei]|hanno dato|ricevut[ei]|dat[ei]',
    all: 'tutto (?:quello|ciò) che|tutto il precedente|quanto sopra',
    prompt:
      'prompt (?:di|del) sistema|prompt iniziale|messaggio di sistema|istruzioni (?:nascoste|segrete|iniziali|di sistema|interne)',
    reveal:
      'mostra\\p{L}*|rivel\\p{L}*|dimmi|dammi|ripet\\p{L}*|scriv\\p{L}*|stampa\\p{L}*|qual è|quali sono|fammi vedere',
    free: 'senza (?:alcuna? |nessuna? )?(?:restrizioni|regole|limiti|filtri|censure?)|nessuna (?:restrizione|regola)',
  },
  pt: {
    ignore:
      'ignor\\p{L}*|esque[çc]\\p{L}*|desconsider\\p{L}*|não (?:siga|sigas|obedeça)|descart\\p{L}*|desobedeça|anule',
    object: 'instruç(?:ões|ão)|regras?|ordens|diretrizes|orientações|restrições|comandos|prompts?',
    scope: 'anterior\\p{L}*|prévi[ao]s?|acima|todas|todos|suas|seus|tuas|antes|iniciais|dadas|recebidas',
    all: 'tudo (?:o que|que|acima|isso)',
    prompt:
      'prompt (?:de|do) sistema|prompt inicial|mensagem (?:de|do) sistema|instruções (?:ocultas|secretas|iniciais|do sistema|internas)',
    reveal:
      'mostr\\p{L}*|revel\\p{L}*|diga(?:-me)?|dê|repit\\p{L}*|escrev\\p{L}*|imprim\\p{L}*|qual (?:é|são)|exib\\p{L}*',
    free: 'sem (?:nenhuma? |quaisquer? )?(?:restriç(?:ões|ão)|regras?|limites?|filtros?|censura)|nenhuma (?:restrição|regra)',
  },
  nl: {
    ignore: 'negeer|vergeet|sla over|volg (?:niet|geen)|omzeil|overschrijf',
    object: 'instructies?|regels|aanwijzingen|opdrachten|richtlijnen|beperkingen|prompts?',
    scope: 'vorige|voorgaande|eerdere|bovenstaande|alle|je|jouw|bovenaan|hierboven|oorspronkelijke',
    all: 'alles (?:hierboven|wat|van hiervoor)',
    prompt: 'systeem-?\\s?prompt|systeembericht|(?:verborgen|geheime|oorspronkelijke) (?:instructies|regels)',
    reveal: 'geef|toon|laat .{0,10}zien|onthul|herhaal|schrijf|vertel|wat is',
    free: 'zonder (?:enige )?(?:regels|beperkingen|filters?|grenzen|censuur)',
  },
  pl: {
    ignore: 'zignoruj|ignoruj|zapomnij|pomiń|odrzuć|nie (?:przestrzegaj|stosuj się)|obejdź',
    object:
      'instrukcj[ei]|polece(?:nia|ń)|zasad[y]?|regu[łl]y?|wytyczn[ey]ch?|ograniczenia|rozkazy|prompt\\p{L}*',
    scope: 'poprzedni\\p{L}*|wcześniejsz\\p{L}*|powyższ\\p{L}*|wszystkie|wszystkich|swoje|twoje|o wszystkich',
    prompt:
      'prompt\\p{L}* systemow\\p{L}*|systemow\\p{L}* prompt\\p{L}*|ukryte (?:instrukcje|polecenia)|instrukcje systemowe|wiadomość systemow\\p{L}*',
    reveal: 'pokaż|ujawnij|podaj|powtórz|napisz|wyświetl|wypisz|jaki jest|zdradź',
    free: 'bez (?:żadnych )?(?:ograniczeń|zasad|reguł|filtrów|cenzury)',
  },
  ru: {
    ignore:
      '(?:про)?игнорируй\\p{L}*|забудь\\p{L}*|не (?:следуй|обращай внимания|соблюдай)|отбрось\\p{L}*|отмени|обойди|пренебрег\\p{L}*',
    object:
      'инструкци\\p{L}*|правил\\p{L}*|указани\\p{L}*|команд\\p{L}*|ограничени\\p{L}*|директив\\p{L}*|промпт\\p{L}*|предписани\\p{L}*',
    scope:
      'предыдущ\\p{L}*|прежн\\p{L}*|ранее|вышеуказанн\\p{L}*|выше|все|всех|свои|твои|тебе|вам|данные|изначальн\\p{L}*',
    all: 'вс[её],? что (?:тебе|вам|было|я|до)|вс[её] (?:выше|предыдущее|вышесказанное)',
    prompt:
      'системн\\p{L}* (?:промпт\\p{L}*|подсказк\\p{L}*|сообщени\\p{L}*|инструкци\\p{L}*)|(?:скрыт\\p{L}*|секретн\\p{L}*|начальн\\p{L}*) (?:инструкци\\p{L}*|промпт\\p{L}*)',
    reveal:
      'покажи\\p{L}*|раскрой\\p{L}*|выведи\\p{L}*|скажи\\p{L}*|повтори\\p{L}*|напиши\\p{L}*|напечатай|какой|выдай|назови',
    free: 'без (?:каких-либо |всяких |любых )?(?:ограничений|правил|цензуры|фильтров)',
  },
  uk: {
    ignore: '(?:про)?ігноруй\\p{L}*|забудь\\p{L}*|не (?:дотримуйся|зважай)',
    object: 'інструкці\\p{L}*|правил\\p{L}*|вказівк\\p{L}*|команд\\p{L}*|обмежен\\p{L}*',
    scope: 'попередн\\p{L}*|усі|всі|вище|раніше|свої|твої',
    prompt: 'системн\\p{L}* (?:промпт\\p{L}*|підказк\\p{L}*|повідомлен\\p{L}*|інструкці\\p{L}*)',
    reveal: 'покажи|розкрий|виведи|скажи|повтори|напиши|який',
    free: 'без (?:жодних )?(?:обмежень|правил|цензури)',
  },
  sv: {
    ignore: 'ignorera?|glöm|bortse från|strunta i|glem|se bort fra|følg ikke|tilsidesæt',
    object:
      'instruktion\\p{L}*|instrukser?|regler\\p{L}*|anvisning\\p{L}*|riktlinjer\\p{L}*|retningslinjer\\p{L}*|kommandon?|ordrer?|begrensninger',
    scope: 'tidigare|föregående|ovanstående|alla|dina|tidligere|alle|dine|forrige|ovenfor|foregående',
    prompt: 'system-?\\s?prompt\\p{L}*|systemmeddelande\\p{L}*|dolda instruktioner',
    reveal: 'visa?|avslöja?|skriv|upprepa|berätta|gi|giv|gentag|vis',
    free: 'utan (?:några )?(?:regler|begränsningar|filter|restriktioner)|uden (?:regler|begrænsninger)',
  },
  cs: {
    ignore:
      'ignoruj\\p{L}*|zapomeň\\p{L}*|nedodržuj|přeskoč|ignorați?|ignoră|uită|hagyd figyelmen kívül|felejtsd el|αγνόησε|αγνοήστε|ξέχασε|ignorera?|unohda|ohita',
    object:
      'instrukc\\p{L}*|pokyn\\p{L}*|pravid\\p{L}*|příkaz\\p{L}*|instrucțiuni\\p{L}*|reguli\\p{L}*|utasítás\\p{L}*|szabály\\p{L}*|οδηγίες|εντολές|κανόνες|ohjeet|säännöt|ohjeita|ohje\\p{L}*',
    scope:
      'předchozí\\p{L}*|všechny|výše|své|anterioare|toate|korábbi|előző|összes|minden|προηγούμεν\\p{L}*|όλες|kaikki|aiemmat|edelliset|aiempia',
    prompt:
      'systémov\\p{L}* (?:prompt\\p{L}*|zpráv\\p{L}*|instrukc\\p{L}*)|promptul de sistem|rendszerprompt\\p{L}*|rendszerüzenet\\p{L}*|system prompt|järjestelmäkehot\\p{L}*',
    reveal: 'ukaž|zobraz|napiš|řekni|vypiš|arată|afișează|mutasd|írd ki|δείξε|näytä|kerro',
    free: 'bez (?:omezení|pravidel)|fără (?:restricții|reguli)|korlátozások nélkül|χωρίς περιορισμούς|ilman rajoituksia',
  },
  tr: {
    ignore: 'yok say\\p{L}*|görmezden gel\\p{L}*|unut\\p{L}*|dikkate alma\\p{L}*|göz ardı et\\p{L}*',
    object: 'talimat\\p{L}*|kural\\p{L}*|yönerge\\p{L}*|komut\\p{L}*|emir\\p{L}*|kısıtlama\\p{L}*',
    scope: 'önceki|tüm|bütün|yukarıdaki|daha önceki|verilen|sana',
    prompt:
      'sistem (?:istem\\p{L}*|prompt\\p{L}*|mesaj\\p{L}*|talimat\\p{L}*|komut\\p{L}*)|gizli talimat\\p{L}*',
    reveal: 'göster\\p{L}*|açıkla\\p{L}*|söyle\\p{L}*|yaz\\p{L}*|paylaş\\p{L}*|nedir|tekrarla',
    free: '(?:hiçbir )?(?:kısıtlama|kural|sınır|filtre)\\p{L}* olmadan|sınırsız(?:ca)?',
    isVerbLast: true,
  },
  vi: {
    ignore:
      'bỏ qua|quên|phớt lờ|đừng tuân theo|abaikan|lupakan|jangan ikuti|acuhkan|huwag pansinin|kalimutan|balewalain|puuza|sahau',
    object:
      'hướng dẫn|chỉ dẫn|quy tắc|mệnh lệnh|chỉ thị|lệnh|instruksi|perintah|aturan|arahan|petunjuk|batasan|tagubilin|utos|panuto|mga patakaran|maagizo|maelekezo|sheria',
    scope:
      'trước|tất cả|mọi|trên|ở trên|sebelumnya|semua|di atas|nakaraang|lahat|naunang|yote|zote|iliyotangulia',
    prompt:
      'lời nhắc hệ thống|prompt hệ thống|câu lệnh hệ thống|prompt sistem|instruksi sistem|pesan sistem|system prompt',
    reveal:
      'cho tôi xem|hiển thị|tiết lộ|in ra|cho biết|nói|tampilkan|tunjukkan|ungkapkan|beri(?:kan)?|sebutkan|ulangi|tuliskan|ipakita|sabihin|onyesha',
    free: 'không (?:có )?(?:giới hạn|hạn chế|quy tắc)|tanpa (?:batasan|aturan|filter|sensor|batas)|walang (?:limitasyon|patakaran)',
  },
  zh: {
    ignore:
      '忽略|无视|無視|忽視|忘记|忘記|忘掉|不要理会|不要理會|不必遵守|不再遵守|不要遵守|不用遵守|跳过|抛开|丢弃|绕过|取消|违反',
    object:
      '指令|指示|规则|規則|命令|设定|設定|限制|要求|提示词|提示詞|提示|约束|指引|准则|守则|规定|安全策略',
    scope: '之前|以上|先前|上面|前面|此前|所有|全部|原来|你的|上述|任何|系统',
    prompt:
      '系统提示词?|系統提示詞?|系统(?:指令|消息|设定)|初始(?:提示|指令)|隐藏(?:的)?(?:指令|提示)|开发者(?:消息|指令)|提示词',
    reveal:
      '告诉|告訴|显示|顯示|输出|輸出|打印|重复|重複|说出|給我|给我|展示|透露|泄露|写出|复述|是什么|列出|公开',
    free: '没有(?:任何)?(?:限制|规则|约束)|沒有(?:任何)?限制|不受(?:任何)?(?:限制|约束)|无(?:任何)?限制|无需遵守',
    isDense: true,
  },
  ja: {
    ignore: '無視|忘れ|破棄|取り消|従わな|従う必要はな|スキップ|上書き|むし',
    object: '指示|命令|ルール|プロンプト|規則|設定|制限|制約|指令|ガイドライン',
    scope: 'これまで|以前|前の|上記|すべて|全て|全部|あなたの|今まで|先ほど|過去|元の|いかなる',
    prompt:
      'システム(?:の)?(?:プロンプト|メッセージ|指示)|初期(?:プロンプト|指示)|隠された(?:指示|プロンプト)|内部(?:指示|プロンプト)',
    reveal: '表示|教え|見せ|出力|開示|公開|繰り返|書い|何ですか|述べ',
    free: '制限(?:なし|なく|のない)|ルール(?:なし|なく)|制約(?:なし|なく|のない)',
    isDense: true,
    isVerbLast: true,
  },
  ko: {
    ignore: '무시|잊어|잊고|따르지|무효|폐기|우회',
    object: '지시|명령|규칙|프롬프트|지침|설정|제한|안내|인스트럭션',
    scope: '이전|위의|모든|앞의|지금까지|기존|너의|당신의|앞서|원래',
    prompt: '시스템 ?(?:프롬프트|메시지|지시|지침)|초기 ?(?:프롬프트|지시)|숨겨진 ?(?:지시|프롬프트)',
    reveal: '보여|알려|출력|말해|공개|표시|반복|적어|무엇',
    free: '제한 ?없이|규칙 ?없이|제약 ?없이|아무런 ?제한',
    isDense: true,
    isVerbLast: true,
  },
  ar: {
    ignore: 'تجاهل\\p{L}*|انس\\p{L}*|لا تتبع|تخط\\p{L}*|نادیده بگیر\\p{L}*|فراموش کن\\p{L}*',
    object:
      '(?:ال)?تعليمات|(?:ال)?أوامر|(?:ال)?قواعد|(?:ال)?توجيهات|(?:ال)?قيود|(?:ال)?إرشادات|دستورالعمل\\p{L}*|دستورات?|قوانین',
    scope: '(?:ال)?سابقة|جميع|كل|أعلاه|قبلی|تمام|همه',
    prompt:
      'موجه النظام|مطالبة النظام|رسالة النظام|تعليمات النظام|(?:ال)?تعليمات (?:ال)?(?:مخفية|سرية)|پرامپت سیستم',
    reveal: 'اعرض|أظهر|اكشف|اطبع|أخبرني|اكتب|كرر|ما هي?|نشان بده|بگو',
    free: 'بدون (?:أي )?(?:قيود|قواعد|حدود|رقابة)|بدون (?:هیچ )?محدودیت',
  },
  hi: {
    ignore: 'अनदेखा|नज़रअंदाज़|नजरअंदाज|भूल|अनदेखी|उपेक्षा|উপেক্ষা|ভুলে|ละเว้น|เพิกเฉย|ลืม|התעלם|התעלמי|שכח',
    object:
      'निर्देश\\p{L}*\\p{M}*\\p{L}*|नियम\\p{L}*\\p{M}*\\p{L}*|आदेश\\p{L}*\\p{M}*\\p{L}*|নির্দেশ\\p{L}*|নিয়ম|คำสั่ง|กฎ|(?:ה)?הוראות|(?:ה)?כללים|(?:ה)?הנחיות',
    scope: 'पिछल\\p{M}*|सभी|सारे|उपरोक्त|पहले|পূর্ববর্তী|সমস্ত|আগের|ก่อนหน้า|ทั้งหมด|เดิม|הקודמות|הקודמים|כל',
    prompt: 'सिस्टम प्रॉम्प्ट|सिस्टम संदेश|সিস্টেম প্রম্পট|พรอมต์ระบบ|ระบบพรอมต์|פרומפט (?:ה)?מערכת|הודעת (?:ה)?מערכת',
    reveal: 'दिखा\\p{M}*|बता\\p{M}*|लिख|দেখাও|বলো|แสดง|บอก|הצג|הראה|גלה',
    free: 'बिना (?:किसी )?(?:प्रतिबंध|नियम|सीमा)|কোনো সীমাবদ্ধতা ছাড়া|ไม่มีข้อจำกัด|ללא (?:שום )?(?:הגבלות|כללים)',
    isDense: true,
    isVerbLast: true,
  },
};

/** "You are now", "act as", "from now on", in all languages. */
const PERSONA =
  'actúa como|eres ahora|ahora eres|a partir de ahora|agis comme|tu es maintenant|désormais,? tu|à partir de maintenant|du bist (?:jetzt|nun|ab sofort)|ab (?:jetzt|sofort)|von nun an|agisci come|sei ora|ora sei|d.ora in poi|aja como|você é agora|agora você é|a partir de agora|je bent nu|vanaf nu|jesteś teraz|od teraz|ты теперь|теперь ты|отныне|с этого момента|ти тепер|你现在是|你現在是|从现在开始|從現在開始|现在你是|扮演|あなたは今|これからあなたは|今から|당신은 이제|너는 이제|지금부터|artık sen|bundan sonra|أنت الآن|من الآن|अब तुम|अब आप|bây giờ bạn là|sekarang kamu|mulai sekarang|du är nu|från och med nu';
/** "Word for word", in all languages. */
const VERBATIM =
  'wort für wort|wortwörtlich|im wortlaut|mot pour mot|mot à mot|palabra por palabra|textualmente|parola per parola|palavra por palavra|woord voor woord|słowo w słowo|дословно|слово в слово|逐字|一字不差|原文|そのまま|一語一句|글자 그대로|kelimesi kelimesine|حرفيا|ord för ord';

/** The rules of one language. */
export interface LanguageRules {
  /** Matches every text that a rule matches; without `g`, so that it has no state. */
  readonly trigger: RegExp;
  readonly rules: readonly InjectionRule[];
}

/** The same attacks in other languages than English. */
const OF_EACH: readonly LanguageRules[] = Object.values(WORDS).map((language) => ({
  trigger: new RegExp(
    withoutMarks(
      `${language.object}|${language.prompt}|${language.free}${language.all ? `|${language.all}` : ''}`,
    ),
    'u',
  ),
  rules: rulesOf(language),
}));

/** What all languages share is searched once. */
const OF_ALL: LanguageRules = {
  trigger: new RegExp(withoutMarks(`${PERSONA}|${VERBATIM}`), 'u'),
  rules: [
    {
      ...{ kind: 'jailbreak', group: 'persona', weight: 0.36 },
      pattern: new RegExp(withoutMarks(`(?<![\\p{L}])(?:${PERSONA})`), 'gu'),
    },
    {
      ...{ kind: 'extraction', group: 'verbatim', weight: 0.36 },
      pattern: new RegExp(withoutMarks(VERBATIM), 'gu'),
    },
  ],
};

/** The rules of all languages but English. */
export const LANGUAGES: readonly LanguageRules[] = [...OF_EACH, OF_ALL];

/** Texts are read without the marks of Latin, Cyrillic and Greek letters. */
function withoutMarks(source: string): string {
  return source
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .normalize('NFC');
}

function rulesOf({
  ignore,
  object,
  scope,
  prompt,
  reveal,
  free,
  all,
  isDense,
  isVerbLast,
}: Language): InjectionRule[] {
  const [open, close] = isDense ? ['', ''] : ['(?<![\\p{L}\\p{M}])', '(?![\\p{L}\\p{M}])'];
  const word = (source: string) => `${open}(?:${source})${close}`;
  const gap = '[^.!?。!?\\n]{0,40}?';
  const rule = (
    kind: InjectionRule['kind'],
    group: string,
    weight: number,
    source: string,
  ): InjectionRule => ({
    ...{ kind, group, weight },
    pattern: new RegExp(withoutMarks(source), 'gu'),
  });
  const [verb, thing, which] = [word(ignore), word(object), word(scope)];
  const rules = [
    rule('override', 'ignore', 0.85, `${verb}${gap}${which}${gap}${thing}`),
    rule('override', 'ignore', 0.85, `${verb}${gap}${thing}${gap}${which}`),
    rule('extraction', 'prompt', 0.7, `${word(reveal)}${gap}${word(prompt)}`),
    rule('extraction', 'prompt', 0.7, `${word(prompt)}${gap}${word(reveal)}`),
    rule('jailbreak', 'limits', 0.45, word(free)),
  ];
  if (all) rules.push(rule('override', 'ignore', 0.75, `${verb}${gap}${word(all)}`));
  rules.push(rule('extraction', 'prompt', 0.5, `${word(reveal)}${gap}${which}${gap}${thing}`));
  if (isVerbLast) rules.push(rule('override', 'ignore', 0.85, `${which}${gap}${thing}${gap}${verb}`));
  return rules;
}
