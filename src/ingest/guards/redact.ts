/**
 * Removes secrets from text before anything is made of it: what is redacted reaches no chunk, term, symbol or vector.
 * The number of lines stays the same. Recognises well-known formats, values with high entropy that are assigned to names like
 * `secret` or `apiKey`, and what stands as a literal behind a name that says it is a password (named-secrets.ts).
 */
import { redactNamed, type TextKind } from './named-secrets.ts';

export const REDACTED = '[redacted]';

export interface Redaction {
  readonly text: string;
  readonly count: number;
}

/** Cheap test: almost every file has none of these and is not scanned further. */
const SUSPECT = /-----BEGIN|AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|sk-|sk_live|rk_live|AIza|ya29\.|eyJ|SG\.|npm_|pypi-|dop_v1_|hooks\.slack|AccountKey=|:\/\/[^\s/:@]{0,200}:[^\s/@]{1,200}@|(?:secret|token|passw|passphrase|pwd|(?:api|access|private|signing|encryption)_?-?key|credential|auth)/i;

/** The body stops at the next line of dashes, so that many beginnings cost no more than one pass. */
const KEY_BLOCK = /(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)((?:(?!-----)[\s\S]){1,20000})(-----END [A-Z0-9 ]{0,60}-----)?/g;
const BASE64_RUN = /[A-Za-z0-9+/=]{16,}/g;

const TOKENS: readonly RegExp[] = [
  /\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}\b/g,
  /\bgh[pousr]_[A-Za-z0-9]{30,255}\b/g,
  /\bgithub_pat_[A-Za-z0-9_]{40,255}\b/g,
  /\bglpat-[A-Za-z0-9_-]{20,64}/g,
  /\bxox[abeoprs]-[A-Za-z0-9-]{10,250}/g,
  /\bhttps:\/\/hooks\.slack\.com\/services\/[A-Za-z0-9/]{20,}/g,
  /\bsk-(?:ant-|proj-|svcacct-)?[A-Za-z0-9_-]{32,250}/g,
  /\b[rs]k_live_[A-Za-z0-9]{16,250}/g,
  /\bAIza[A-Za-z0-9_-]{35}\b/g,
  /\bya29\.[A-Za-z0-9_-]{20,500}/g,
  /\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}/g,
  /\bnpm_[A-Za-z0-9]{36}\b/g,
  /\bpypi-[A-Za-z0-9_-]{50,500}/g,
  /\bdop_v1_[a-f0-9]{64}\b/g,
  /\beyJ[A-Za-z0-9_-]{15,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}/g,
  /(?<=\bAccountKey=)[A-Za-z0-9+/]{60,120}={0,2}/g,
];

/** `scheme://user:password@host` */
const URL_PASSWORD = /(:\/\/[^\s/:@'"`{}$<>]{1,100}:)(?![a-z]{1,12}@)([^\s/@'"`{}$<>]{4,100})(?=@)/g;

/** name = "value", name: value, "name": "value"; the value is judged by its entropy. */
const ASSIGNMENT = /([A-Za-z0-9_.-]{0,60}(?:secret|token|passw(?:or)?d|passphrase|pwd|api_?-?key|access_?-?key|private_?-?key|credential|auth_?-?key)[A-Za-z0-9_-]{0,30}["'`]?\]?\s{0,8}(?::|=>|=|:=)\s{0,8})(["'`]?)([A-Za-z0-9+/_=.~!@#$%^&*-]{12,500})\2/gi;

/** Of what is no code, `kind` says so: there a value needs no quotes. */
export function redact(text: string, kind: TextKind = 'code'): Redaction {
  if (!SUSPECT.test(text)) return { text, count: 0 };
  let count = 0;
  let out = text.replace(KEY_BLOCK, (whole, begin: string, body: string, end: string | undefined) => {
    // Code that only mentions the first line of a key is no key.
    if (end === undefined && !/[A-Za-z0-9+/=]{40}/.test(body.slice(0, 300))) return whole;
    count++;
    return begin + (end === undefined ? body.replace(BASE64_RUN, REDACTED) : body.replace(/[^\r\n]+/g, REDACTED)) + (end ?? '');
  });
  for (const token of TOKENS) {
    out = out.replace(token, () => {
      count++;
      return REDACTED;
    });
  }
  out = out.replace(URL_PASSWORD, (whole, before: string, password: string) => {
    if (isPlaceholder(password)) return whole;
    count++;
    return before + REDACTED;
  });
  out = out.replace(ASSIGNMENT, (whole, before: string, quote: string, value: string) => {
    if (!isSecretValue(value, quote !== '')) return whole;
    count++;
    return before + quote + REDACTED + quote;
  });
  out = redactNamed(out, kind, () => {
    count++;
    return REDACTED;
  });
  return { text: out, count };
}

/** Bits per character; English words and identifiers stay below, random base64 is above 4. */
const MIN_ENTROPY = 3.5;

function isSecretValue(value: string, quoted: boolean): boolean {
  if (isPlaceholder(value)) return false;
  // Code on the right-hand side: calls, members, identifiers.
  if (!quoted && !/^(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/_=-]{20,}$/.test(value)) return false;
  if (/^[a-z]+([._-][a-z]+)*$/i.test(value) || /^[a-z]+([A-Z][a-z]+)*\d?$/.test(value)) return false;
  return /\d/.test(value) && /[A-Za-z]/.test(value) && entropy(value) >= MIN_ENTROPY;
}

function isPlaceholder(value: string): boolean {
  return /^(?:\$|%|<|\{)|^(.)\1+$|example|placeholder|changeme|change_me|your[_-]|xxxx|dummy|redacted|password$/i.test(value);
}

/** Shannon entropy of the characters, bits per character. */
export function entropy(value: string): number {
  const counts = new Map<string, number>();
  for (const char of value) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const n of counts.values()) bits -= (n / value.length) * Math.log2(n / value.length);
  return bits;
}
