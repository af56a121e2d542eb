/**
 * Texts with their findings marked as `«kind:value»`, for the precision and recall of the finder. Lines without a mark are
 * negatives: numbers, versions, code and prose that look like personal data.
 */
export const LABELLED: readonly string[] = `
Please write to «email:anna.schmidt@example.com» by Friday.
Contact: «email:j.o'connor+news@mail.example.co.uk», «email:sales@example.org».
<«email:first_last@sub.domain.example»> wrote:
E-Mail an «email:jürgen.müller@beispiel.de» bitte.
mailto:«email:info@example.net»?subject=Hi
"«email:weird.user@example.io»" is quoted
My address is «email:jane (at) example (dot) com», thanks.
write me: «email:max [at] example.de»
reach «email:peter at example dot org» any time
«email:jo @ example.com» is what she typed
Correo: «email:maria.lopez@ejemplo.es»; teléfono: «phone:612 345 678»
写信给 «email:wang@example.cn» 谢谢
«email:ivan.petrov@пример.рф» — почта
user=«email:root@db-1.internal.example.com» logged in
{"email":"«email:a@b.co»","age":12}
«email:UPPER.CASE@EXAMPLE.COM»
ping «email:dev-team_01@my-company.ai»!
The pair («email:x1@example.com»,«email:x2@example.com») is enough
«email:disposable.style.email.with+symbol@example.com»
«email:user%example.com@example.org»
Call me at «phone:+1 415-555-2671».
Phone: «phone:(212) 555-0187» ext. 12
tel «phone:+49 30 901820», fax «phone:+49 (0)30 901821»
Rufen Sie «phone:+49 151 23456789» an
«phone:+44 20 7946 0958» is the London office
Ring us on «phone:020 7946 0018»
Appelez le «phone:01 42 68 53 00» demain
Numéro : «phone:+33 6 12 34 56 78»
téléphone «phone:0612345678»
Tel.: «phone:+34 912 345 678»
Telefono: «phone:+39 06 6982 1234»
«phone:+81 3-1234-5678» (Tokyo)
電話: «phone:03-1234-5678»
WhatsApp «phone:+55 11 91234-5678»
«phone:+91 98765 43210» is Ravi's number
mobile «phone:9876543210»
my cell is «phone:4155552671»
«phone:415.555.2671» or «phone:415-555-2672»
«phone:+1 (650) 253-0000»
call «phone:1-800-356-9377» toll free
«phone:0044 20 7946 0958» from abroad
phone number is «phone:2025550143»
«phone:+41 44 668 18 00» Zürich
«phone:+86 138 0013 8000»
Тел: «phone:+7 495 123-45-67»
«phone:+31 20 624 1111»
«phone:+46 8 123 456 78»
«phone:+61 2 9374 4000» Sydney
Handy: «phone:0151 23456789»
sms to «phone:+48 601 234 567»
SSN: «ssn:123-45-6789»
ssn is «ssn:536-90-4399», keep it secret
her social security number «ssn:219099999»
social security: «ssn:078 05 1120»
«ssn:456-78-9012» was on the form
ITIN «ssn:912-70-1234»
Card «card:4111 1111 1111 1111» exp 12/27
visa «card:4012888888881881»
«card:5555555555554444» (mastercard)
pay with «card:5105-1051-0510-5100» please
amex «card:378282246310005»
«card:3782 822463 10005» is the amex
discover «card:6011111111111117»
diners «card:30569309025904»
jcb «card:3530111333300000»
unionpay «card:6200000000000005»
«card:4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1» with spaces
«card:４１１１１１１１１１１１１１１１» in fullwidth digits
karte «card:٤١١١١١١١١١١١١١١١» eastern digits
cc=«card:2223003122003222»&cvv=123
two cards: «card:4242424242424242» and «card:4000056655665556»
My card number is «card:4916338506082832», thanks
IBAN «iban:DE89370400440532013000»
«iban:DE89 3704 0044 0532 0130 00» ist mein Konto
iban: «iban:GB29 NWBK 6016 1331 9268 19»
«iban:FR1420041010050500013M02606»
«iban:ES91 2100 0418 4502 0005 1332»
bank «iban:NL91ABNA0417164300» transfer
«iban:CH93 0076 2011 6238 5295 7»
«iban:it60x0542811101000000123456» lower case
«iban:BE68 5390 0754 7034» and «iban:AT61 1904 3002 3457 3201»
server «ip:203.0.113.7» is down
from «ip:10.1.2.3» to «ip:192.168.178.44»
«ip:8.8.8.8» answered
[«ip:2001:db8:85a3::8a2e:370:7334»]:443
client «ip:2a00:1450:4001:81b::200e» connected
::ffff mapped «ip:::ffff:192.0.2.128»
X-Forwarded-For: «ip:198.51.100.23», «ip:172.16.254.1»
«ip:fe80::1ff:fe23:4567:890a» on eth0
key «api_key:sk-proj-Ab12Cd34Ef56Gh78Ij90Kl12Mn34»
OPENAI_API_KEY=«api_key:sk-a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6»
«api_key:sk-ant-api03-AbCdEf123456_7890-ghijklmnop»
aws «api_key:AKIAIOSFODNN7EXAMPLE»
aws_secret_access_key = «api_key:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY9»
github «api_key:ghp_16C7e42F292c6912E7710c838347Ae178B4a»
token: «api_key:github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789»
«api_key:glpat-Ab1Cd2Ef3Gh4Ij5Kl6Mn»
slack «api_key:xoxb-123456789012-abcdefABCDEF1234»
«api_key:AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY» google
stripe «api_key:sk_live_4eC39HqLyjWDarjtT1zdp7dc»
«api_key:hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345»
«api_key:gsk_1a2B3c4D5e6F7g8H9i0J1k2L3m4N» groq
npm «api_key:npm_AbCd1234EfGh5678IjKl9012MnOp3456QrSt»
SENDGRID «api_key:SG.abcdefghijklmnop1234.qrstuvwxyzABCDEFGHIJ567890»
telegram «api_key:123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1»
Authorization: Bearer «api_key:mF_9.B5f-4.1JqMabcd1234»
Authorization: Basic «api_key:YWxhZGRpbjpvcGVuc2VzYW1lMTIz»
password: «api_key:Tr0ub4dor&3»
"password": "«api_key:correct-horse-7-battery»"
db: postgres://app:«api_key:S3cr3tP4ss»@db.example.com:5432/main
https://hooks.slack.com/services/«api_key:T01ABCDEF/B02GHIJKL/abcdEFGHijklMNOP1234qrst»
client_secret="«api_key:Gx8Q1v9Zr4Tn2Lb7Wc5K»"
wr «api_key:wr-live-8f3a9c2b7d1e4f6a0b5c»
jwt «jwt:eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U»
cookie session=«jwt:eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2V4YW1wbGUuY29tIn0.c2lnbmF0dXJlLWhlcmU»
CPF «national_id:529.982.247-25»
Aadhaar: «national_id:2341 2341 2346»
DNI «national_id:12345678Z» y NIE «national_id:X1234567L»
codice fiscale «national_id:RSSMRA85T10A562S»
NI number «national_id:AB 12 34 56 C»
BSN «national_id:111222333» van de klant
PESEL «national_id:44051401359»
INSEE «national_id:2 95 10 99 126 111 93»
AHV-Nr. «national_id:756.9217.0769.85»
Steuer-ID «national_id:36574261809»
rijksregisternummer «national_id:85.07.30-033.28»
SIN: «national_id:046 454 286»
personnummer «national_id:880320-0016»
身份证 «national_id:11010519491231002X»
hetu «national_id:131052-308T»
Mail «email:a.b@example.com», call «phone:+1 202-555-0143», card «card:4111111111111111», IP «ip:203.0.113.9».
{"to":"«email:li.na@example.com»","phone":"«phone:+86 10 6552 9988»","iban":"«iban:DE89370400440532013000»"}
hidden «email:zero​width@example.com» inside
split «card:4111​1111​1111​1111» by zero-width spaces
non-breaking «phone:+49 30 901820» spaces
en dash «ssn:123–45–6789» instead
Order 4155552671 was shipped.
order number 123-456-7890 is delayed
Invoice #2024-0012345 of 2024-05-06
version 1.2.3.4 is out, v10.0.19045.3803 too
release 12.4.1.0 fixes it
Version: 192.168.1.1 is not a version, they said of firmware 4.2.1.9
at 2024-11-05T14:30:00Z and 1700000000 and 1700000000123
UUID 550e8400-e29b-41d4-a716-446655440000
sha 3f786850e387550fdab836ed7e6dc881de23001b
git@github.com:weir/weir.git and git@gitlab.com/x
icon@2x.png logo@3x.jpg
@types/node@20.1.2 and react@18.2.0
look at example.com for the docs
meet me at noon dot
the dot product of a and b at time t
decorators: @app.route('/x') and @Injectable()
a matrix of 12 34 56 78 90 12 34 numbers
prices 1,234,567.89 and 12.345.678,90
coordinates 40.7128, -74.0060
ISBN 978-3-16-148410-0 and ISBN 0-13-110362-8
phone book, telephone pole, call stack depth 1234567
const port = 8080; const timeout = 30000;
127.0.0.1 and ::1 and 0.0.0.0 are local
netmask 255.255.255.0
std::vector<int> a::b::c foo::bar
12:34:56 is a time and aa:bb:cc:dd:ee:ff a MAC
Ticket 555123456 case 0012345678
serial 4111111111111112 fails the check
card-like 1234 5678 9012 3456 is no card
part 123-45-6789-01 in stock
tracking 1Z999AA10123456784
2023-10-05-1234 is a batch
room 415, floor 12, building 7
pi is 3.14159265358979323846
0x1234567890abcdef and 1e10
page 12 of 345, lines 100-250
chapter 1.2.3.4 section 5.6.7.8
process.env.OPENAI_API_KEY is read
api_key = os.environ["API_KEY"]
password: ********
"password": "<your password here>"
token: string; secret?: undefined
the secret of success is a key-value store
const apiKey = getApiKey();
sk-learn and sk-image are libraries
task-force-and-skeleton-keys-are-long-words
eyJ is how tokens begin
-----BEGIN CERTIFICATE-----
the AKIA prefix is documented
score 4-3 in 90 minutes on 12/05/2024
1600 Amphitheatre Parkway, Mountain View, CA 94043
PLZ 10115 Berlin, Hausnummer 12
le 12 mars 2024 à 14 h 30
2024年11月5日 14時30分
1990 1991 1992 1993 1994 1995
SELECT * FROM t WHERE id = 123456789
5 + 5 = 10; 100 - 200 - 300
11 22 33 44 55
ratio 1:2:3:4:5:6:7
fe and ca and be are words: cafe::babe
scale 0.25 0.50 0.75 1.00
GB82 is a postcode-like word and DE12 too
AB123456 is a passport-like word
X-Request-Id: req_7f3a9c2b7d1e4f6a
commit 1234567 and 7654321 merged
1.800.000 Einwohner, 3 500 000 km
12345678A has a wrong letter
temperature -12.5 to +35.2
+1 for the idea, +10 points
(123) is a reference, (1234567) too
E = mc2; H2O; CO2; 3D; 4K; 1080p
ssh user@localhost and admin@server
user@host:~$ ls
a@b
email@ is incomplete and @example.com too
five at six dot seven
`
  .trim()
  .split('\n');
