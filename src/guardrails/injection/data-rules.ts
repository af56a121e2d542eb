import { type InjectionRule, phrase, SPACE, words } from './rule.ts';

const AI =
  '(?:ai|a\\.i\\.|llms?|gpt|chat ?gpt|claude|gemini|copilot|(?:large )?language models?|chat ?bots?|bots?|(?:ai |virtual |digital )?assistants?|(?:ai )?agents?|ai (?:systems?|models?|tools?|readers?|reviewers?|screeners?)|automated (?:systems?|reviewers?|screeners?))';
const DO =
  "forward|send|transfer|exfiltrate|execute|run|call|invoke|fetch|post|delete|remove|recommend|rate|rank|score|tell the user|instruct the user|ask the user|visit|open|click|enter|append|include|insert|add|output|reply|respond|write|print|say|ignore|disregard|forget|stop|book|buy|pay|approve|grant|upload|download|email|e-mail|create|change|update|reset|share|search|read|list|navigate|submit|output|mention|promote|praise|summari[sz]e|follow|encode|leak|reveal|do not|don['’]?t|never|must|should|immediately|always|first|use";

const rule = (group: string, weight: number, source: string): InjectionRule => ({
  ...{ kind: 'tool_result', group, weight, onlyInData: true },
  pattern: phrase(source),
});

/** Instructions to a model outside of the user's messages: in documents, pages and results of tools. */
export const DATA_RULES: readonly InjectionRule[] = [
  rule('cancel', 0.6, `(?:ignore|disregard|forget) the user(?=[.!,;\\n]|$)`),
  rule('new-task', 0.4, `your (?:new )?(?:task|goal|mission|job) is to`),
  rule('hidden', 0.42, `(?:hidden|secret|invisible) (?:directives?|instructions?|commands?|orders?)`),
  rule(
    'when',
    0.45,
    `when (?:you (?:are )?)?(?:summari[sz]ing|answering|translating|responding|replying|reviewing|describing)(?: \\w{1,12}){0,3},? (?:say|write|mention|include|state|tell|add|claim|conclude|respond|always)`,
  ),
  rule(
    'before-tool',
    0.42,
    `(?:before|after|when) (?:using|calling|invoking) (?:any|this|the|other|another)(?: \\w{1,15})? ?tools?`,
  ),
  rule(
    'action',
    0.5,
    `(?:read|open|cat|pass|send|include|upload|attach|print|output|get)${words(4)}${SPACE}\\S{0,30}(?:id_rsa|\\.env|\\.ssh|\\/etc\\/passwd|credentials|\\.aws)`,
  ),
  {
    ...{ kind: 'delimiter', group: 'role', weight: 0.5, onlyInData: true },
    pattern:
      /\[{1,2}(?:system|developer|admin)\]{1,2}(?=[^\n]{0,120}(?:user|assistant|must|approved|delete|ignore|instructions?|access))/g,
  },
  rule(
    'address',
    0.62,
    `(?:notes?|notice|message|instructions?|attention|warning|memo|reminder|important(?: information| message)?|hidden text|information|directives?|commands?|reply|hint|request)(?:[,:]? (?:to|for|all|any|the|every|this|de[a]r|your)){0,3} ${AI}(?: \\w{1,15}){0,3}`,
  ),
  rule(
    'address',
    0.62,
    `(?:if|when|while|since|because|as) you(?: are|['’]re)(?: reading this)?(?: an?| the| as an?){0,2}${words(2)} ${AI}|as (?:the|an?) ${AI}, (?:you|please)|de[a]r ${AI}|hey,? ${AI}|hello,? ${AI}[,!]|${AI} (?:that|who|which)(?: \\w{1,12})? (?:reads?|process(?:es)?|summari[sz]es?|sees?|parses?|reviews?|analy[sz]es?|encounters?)|(?:to the |to any |to all |all |every |any )${AI} (?:processing|reading|reviewing|analy[sz]ing|parsing|that|who|must|should)|${AI},? (?:please|you must|you should|you need to|your (?:new )?task)`,
  ),
  rule(
    'address',
    0.5,
    `(?:ai|assistant|agent|llm|bot|model|claude|gpt|copilot)\\s{0,2}[:,]\\s{0,3}(?:please )?(?:${DO})`,
  ),
  rule(
    'address',
    0.5,
    `(?:the )?(?:ai(?: \\w{1,12})?|llms?|assistant|language models?|chat ?bots?|chat ?gpt|claude|gemini|copilot) (?:must|should|shall|has to|needs to|is required to|will now|is instructed to)${words(4)}${SPACE}(?:${DO})`,
  ),
  rule(
    'action',
    0.4,
    `(?:you must|you should|you need to|you have to|please|must|should|now|then|immediately|instead|first|and|to)${words(3)}${SPACE}(?:forward|send|transfer|exfiltrate|upload|post|e-?mail|leak|share|submit|copy|provide)${words(6)}${SPACE}(?:conversation|chat(?: history)?|e-?mails?|messages?|api keys?|credentials?|passwords?|secrets?|tokens?|data|contacts?|files?|amount|funds|money|response|documents?|contents?|environment|history|keys)`,
  ),
  rule(
    'action',
    0.4,
    `(?:call|invoke|use|run|execute)${words(2)}${SPACE}(?:the )?(?:tool|function|command|\\w{2,30}_\\w{2,30}|following command|curl|wget|bash|shell|python|script|send_email|delete_\\w{1,20})`,
  ),
  rule(
    'action',
    0.45,
    `(?:tell|ask|instruct|advise|convince|urge|direct)(?: the)? users?(?: to| that)${words(4)}${SPACE}?(?:visit|click|enter|download|install|call|open|log ?in|pay|send|provide|buy|disable|run|confirm|go to|re-?enter|verify)?`,
  ),
  rule(
    'action',
    0.45,
    `delete (?:all|every|the)(?: of the)? (?:files?|repositor(?:y|ies)|accounts?|users?|records?|tickets?|data|e-?mails?|messages?|tables?)|close all(?: other)? \\w{1,15}|(?:transfer|send|wire|pay)(?: the)? (?:amount|money|funds|\\$?\\d)|curl \\S{3,100}\\s{0,2}\\|\\s{0,2}(?:ba)?sh|rm -rf`,
  ),
  {
    ...{ kind: 'delimiter', group: 'role', weight: 0.5, onlyInData: true },
    pattern:
      /(?:^|[\n.'"[(#*>]|-{3,10})\s{0,4}(?:system|developer|admin)(?: (?:message|prompt|notice|note|instruction|override|update|command))?\]?\*{0,3}\s{0,2}:\s{0,3}(?=[^\n]{0,120}(?:\byou\b|user|assistant|must|ignore|instructions?|provide|send|authoriz|forward|access))/g,
  },
  rule(
    'secrecy',
    0.42,
    `(?:do not|don['’]?t|never|without|must not|should not)(?: \\w{1,12})? (?:tell(?:ing)?|inform(?:ing)?|mention(?:ing)?|notify(?:ing)?|reveal(?:ing)?|ask(?:ing)?|alert(?:ing)?|show(?:ing)?|disclos(?:e|ing)|let(?:ting)?|display(?:ing)?|warn(?:ing)?|acknowledg(?:e|ing))${words(3)}${SPACE}?(?:the )?(?:users?|human|person|them|these instructions|this instruction|this message|this note|confirmation|permission|anyone|about (?:it|this))`,
  ),
  rule(
    'secrecy',
    0.35,
    `secretly|covertly|silently|without (?:the )?users?(?:['’]s?)? (?:knowledge|consent|knowing|confirmation|permission|approval)|in the background and`,
  ),
  rule(
    'bias',
    0.5,
    `(?:rate|rank|score|recommend|evaluate|judge|consider|describe|mark|give)${words(3)}${SPACE}(?:this|the|only|our|my)${words(3)}${SPACE}(?:candidates?|resumes?|cv|applicants?|products?|papers?|submissions?|reviews?|essay|\\w{2,30})${words(3)}${SPACE}(?:as (?:the )?(?:best|excellent|top|perfect|first|highest|outstanding|accepted)|the highest|regardless of|as the (?:only|best)|top score|full (?:marks|score))|recommend only|only recommend|regardless of (?:the )?(?:other )?(?:criteria|content|facts|quality|question)`,
  ),
  rule(
    'bias',
    0.35,
    `do not mention (?:any )?(?:negative|bad|critical|other)|give (?:only )?(?:a )?positive reviews?(?: only)?`,
  ),
  rule(
    'cancel',
    0.55,
    `(?:the )?(?:previous|original|current|user['’]?s?)(?: user)?(?: \\w{1,12})? (?:request|task|question|query|instructions?|goal|prompt|command)s? (?:has|have|is|are|was|were)(?: been| now)? (?:cancell?ed|changed|completed|replaced|superseded|updated|invalid|finished|fulfilled|obsolete|irrelevant)`,
  ),
  rule(
    'cancel',
    0.6,
    `(?:ignore|disregard|forget|stop|skip|override)${words(3)}${SPACE}(?:the )?(?:users?(?:['’]s?)?|original|actual)(?: original)? (?:questions?|requests?|tasks?|query|prompts?|instructions?|input|message)|stop (?:summari[sz]ing|translating|reading|processing|what you)(?: \\w{1,12}){0,4}`,
  ),
  rule(
    'cancel',
    0.5,
    `(?:before|after|when|while|instead of|once) (?:you )?(?:answer|answering|continu(?:e|ing)|summari[sz]\\w{1,4}|read|reading|have read|respond(?:ing)?|finish(?:ing)?|process(?:ing)?|complet(?:e|ing))${words(5)}${SPACE}(?:you must|must|first|call|send|run|execute|also|do|exfiltrate|forward|include|append)`,
  ),
  rule(
    'new-task',
    0.5,
    `(?:your )?new (?:task|goal|objective|instruction|mission|directive)s?(?: is| are|\\s{0,2}:)|respond only with|reply only with|only (?:say|answer|respond|reply|output)`,
  ),
  {
    ...{ kind: 'tool_result', group: 'exfiltration', weight: 0.6, onlyInData: true },
    pattern:
      /!\[[^\]\n]{0,100}\]\(https?:\/\/[^)\s]{3,200}[?&][\w-]{1,30}=[^)\s]{0,40}(?:secret|history|conversation|chat|token|api_?key|base64|user_?data|prompt|summary|context|\{|<|\[)/g,
  },
  {
    ...{ kind: 'tool_result', group: 'exfiltration', weight: 0.4, onlyInData: true },
    pattern:
      /(?:to|at|into|from|webhook|visit|url)\s{1,3}(?:<|\(|")?https?:\/\/[^\s)>"]{3,200}(?=[\s\S]{0,80}(?:secret|password|history|conversation|key|token|base64|credential))|(?:secret|password|history|conversation|api keys?|tokens?|credentials?|environment|response|contents?)[^\n]{0,80}(?:to|at|into|in)\s{1,3}(?:the )?(?:https?:\/\/|webhook|url|[\w.-]{1,40}@[\w-]{1,40}\.)/g,
  },
  {
    ...{ kind: 'tool_result', group: 'turns', weight: 0.5, onlyInData: true },
    pattern:
      /(?:^|[\n.!?>]|\s)(?:user|human)\s{0,2}:[^\n]{0,200}(?:assistant|ai)\s{0,2}:[^\n]{0,200}(?:user|human)\s{0,2}:/g,
  },
  {
    ...{ kind: 'tool_result', group: 'address', weight: 0.5, onlyInData: true },
    pattern:
      /<!--(?=[^>]{0,400}(?:assistant|\bai\b|llm|language model|ignore|instructions? (?:to|for)|chatbot|agent))(?=[^>]{0,400}(?:ignore|must|tell|send|call|visit|reveal|respond|say|output|forward|do not|instead|execute|run|follow))/g,
  },
];
