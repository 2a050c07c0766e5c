import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeDoc } from '../../../src/format/doc-codec.ts';
import { redact } from '../../../src/ingest/guards/redact.ts';
import { analyze } from '../syntax/describe.ts';

// Put together here, so that no scanner takes this file for a leak.
const join = (...parts: readonly string[]): string => parts.join('');
const BODY = 'q8Zt3vLk0XyB5nWm2RcJ7sPd9HfG4aTe';
const KEY = join('-----BEGIN RSA ', 'PRIVATE KEY-----');
const KEY_END = join('-----END RSA ', 'PRIVATE KEY-----');

/** The secret, and the line it stands in. */
const PLANTED: readonly (readonly [string, (secret: string) => string])[] = [
  [join('AK', 'IA', 'QWERTYUIOPASDFGH'), (s) => `aws_access_key_id = ${s}`],
  [join('wJalrXUtnFEMI', '/K7MDENG/', 'bPxRfiCYzEXq0aKEY'), (s) => `aws_secret_access_key = "${s}"`],
  [join('gh', 'p_', '16C7e42F292c6912E7710c838347Ae178B4a'), (s) => `remote: ${s}`],
  [join('github', '_pat_', '11ABCDEFG0123456789_abcdefghijklmnopqrstuvwxyz'), (s) => `token ${s}`],
  [join('glp', 'at-', 'x7K2mQ9vLp4TzR8wYc1N'), (s) => `url?private=${s}`],
  [join('xo', 'xb-', '123456789012-abcdefABCDEF'), (s) => `slack: ${s}`],
  [join('s', 'k-', 'proj-', BODY, BODY), (s) => `openai.key = '${s}'`],
  [join('sk_', 'live_', BODY), (s) => `stripe(${s})`],
  [join('AI', 'za', BODY, 'abc'), (s) => `maps key=${s}`],
  [join('np', 'm_', BODY, 'abcd'), (s) => `//registry:_authToken=${s}`],
  [join('ey', 'JhbGciOiJIUzI1NiJ9.', 'ey', 'JzdWIiOiIxMjM0NTY3ODkwIn0.', BODY), (s) => `Authorization: Bearer ${s}`],
  ['Zk3pQ9xT7vRm2wLs', (s) => `password: "${s}"`],
  ['Zk3pQ9xT7vRm2wLsY8', (s) => `const dbPassword = '${s}';`],
  ['Hn7Kq2Vx9Lm4Tz6Wp1', (s) => `{"client_secret": "${s}"}`],
  ['Hn7Kq2Vx9Lm4Tz6Wp1Rc', (s) => `API_KEY=${s}`],
  ['p4ssW0rd!x', (s) => `postgres://admin:${s}@db.internal:5432/app`],
];

test('[6.12] planted secrets are redacted, line by line', () => {
  for (const [secret, line] of PLANTED) {
    const text = `first line\n${line(secret)}\nlast line\n`;
    const { text: out, count } = redact(text);
    assert.ok(!out.includes(secret), `${line(secret)} -> ${out}`);
    assert.equal(out.split('\n').length, text.split('\n').length);
    assert.equal(count, 1, out);
  }
});

test('[6.12] [C.11] literals behind a name that says what they are, however short; plain words, names and templates stay', () => {
  const planted: readonly (readonly [secret: string, line: string, kind?: 'configuration'])[] = [
    ['hunter2', 'password = "hunter2"'], ['s3cr3t!', "pod.userPassword = 's3cr3t!';"], ['Sw0rdfish', '{"db_password": "Sw0rdfish"}'], ['tr0ub4dor&3', 'PASSPHRASE := `tr0ub4dor&3`'],
    ['k1-k2+k3', 'const API_KEY: &str = "k1-k2+k3";'], ['abc123', 'apiKey: "abc123",'], ['letme1n', 'val password: String = "letme1n"'], ['Passw0rt', '$config["password"] = "Passw0rt";'],
    ['hunter2', '<password>hunter2</password>'], ['abc123xyz', '  db.password: abc123xyz   # local', 'configuration'], ['hunter22', 'ENV DB_PASSWORD=hunter22', 'configuration'],
    ['hunter22', 'mysql --user=a --password="hunter22"'], ['7488a646-e31f-11e4-aace-600308960662', '"secret" => "7488a646-e31f-11e4-aace-600308960662"'],
  ];
  for (const [secret, line, kind] of planted) {
    const { text, count } = redact(`a\n${line}\nb\n`, kind);
    assert.deepEqual([text.includes(secret), count, text.split('\n').length], [false, 1, 4], `${line} -> ${text}`);
  }
  const kept = [
    'keyPassword = "changeit"', 'clientSecret = "clientSecret1"', 'KAFKA_PASSWORD = "plain-user-secret"', 'trustStorePassword: String = "ktor.security.ssl.trustStorePassword"', 'password = user1', 'let secret = secret2',
    'refreshToken: "a\\(refreshCount)"', 'password = "${DB_PASSWORD_1}"', 'password="%s1234"', 'apiKey: "your_api_key_1"', 'token: "https://auth0.example.org/"', 'CURLOPT_USERPWD => "$user1:$pass"', 'password: "******"',
    'secret_key = base64.b64decode(key1)', 'const passwordField2 = "form1-field2"', 'password.length > 8 ? "strong1" : "weak1"', 'passwordHint: "at least 8 characters"',
  ];
  for (const line of kept) assert.deepEqual(redact(line), { text: line, count: 0 });
  for (const line of ['password: ${DB_PASS1}', 'password: {{ vault_pass1 }}', 'secret_key = base64.b64decode(key1)', 'password=', 'passwordFile: /run/secrets/db1']) assert.equal(redact(line, 'configuration').count, 0, line);
});

test('[C.11] no name and no value makes the search for them slow: a quadratic one takes minutes', { timeout: 120_000 }, () => {
  const lines = ['password'.repeat(20_000), `${'a'.repeat(100_000)}password = "`, 'password = "'.repeat(20_000), `<${'password'.repeat(8)}>`.repeat(5_000), `${' '.repeat(50_000)}password: x1${' '.repeat(50_000)}`, 'pwd:'.repeat(50_000)];
  for (const line of lines) for (const kind of ['code', 'configuration'] as const) assert.ok(redact(line, kind).text.length > 0);
});

test('[6.12] private key blocks, also in one line and cut short', () => {
  const lines = Array.from({ length: 5 }, (_, i) => `${BODY}${BODY}${i}`);
  const block = `a = 1\n${KEY}\n${lines.join('\n')}\n${KEY_END}\nb = 2\n`;
  const { text, count } = redact(block);
  assert.equal(count, 1);
  assert.equal(text.split('\n').length, block.split('\n').length);
  assert.ok(text.includes('a = 1') && text.includes('b = 2') && !text.includes(BODY));
  assert.ok(!redact(`key: "${KEY}\\n${lines.join('\\n')}\\n${KEY_END}\\n"`).text.includes(BODY));
  assert.ok(!redact(`${KEY}\n${lines.join('\n')}\n`).text.includes(BODY), 'without an end');
});

test('[6.12] code about secrets is left alone', () => {
  const code = [
    'const token = await getAccessToken(user);', 'password = os.environ["DATABASE_PASSWORD"]', 'if (secret === undefined) throw new Error("missing secret");', 'api_key: str = Field(description="The API key to use")',
    'access_token = "your-access-token-here-123"', 'PASSWORD = "changeme"', 'token: "${{ secrets.GITHUB_TOKEN }}"', 'secretName: my-application-secret', 'const tokenKinds = "identifierStart"', 'password = "password"',
    `if (text.startsWith("${KEY}")) {\n  return parseRsaPrivateKeyFromPemText(text);\n}`, 'https://user:password@example.com/', 'http://localhost:8080/a@b', 'auth_key = tokenGenerator.next()', 'passwordHash: sha256',
  ];
  for (const line of code) assert.deepEqual(redact(line), { text: line, count: 0 });
});

test('[6.12] a redacted secret reaches no part of the document', async () => {
  for (const [secret, line] of PLANTED) {
    for (const path of ['config/a.ts', 'notes.md', 'conf.yaml', 'a.py']) {
      const doc = await analyze(path, `# head\n${line(secret)}\n// ${line(secret)}\n`);
      const bytes = Buffer.from(encodeDoc(doc));
      assert.equal(bytes.includes(secret), false, `${path}: ${line(secret)}`);
      assert.equal(bytes.includes(secret.toLowerCase()), false, `${path}: terms of ${line(secret)}`);
      assert.match(doc.source?.note ?? '', /redacted: 2 secrets/);
    }
  }
});
