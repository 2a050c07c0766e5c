/**
 * Values that stand behind a name that says they are secret: `password = "hunter2"`, `api_key: "…"`, `<password>…</password>`, and in
 * configuration also without quotes. Short passwords have no entropy to speak of, so the name decides and the value only has to look
 * like something that a person or a machine made up: letters with digits or punctuation. Plain words ("changeit", "secret"), names of
 * other things ("client_secret", "provider2-secret"), placeholders and templates stay: on 28,900 files of 22 open projects every second
 * match of the bare name was one of those.
 */

/** What the name ends in; `passwordField` and `tokenizer` do not. */
const NOUN = String.raw`(?:passw(?:or)?d|passphrase|pwd|secret|api_?-?key|(?:access|private|secret|auth|signing|encryption)_?-?key|(?:auth|access|api|bearer|refresh)_?-?token)`;
const NAME = String.raw`[A-Za-z0-9_.-]{0,60}${NOUN}`;
const ASSIGN = String.raw`["'\x60]?\]?[ \t]{0,8}(?::[ \t]{0,4}(?:str|[Ss]tring|&(?:'static )?str)[ \t]{0,4}=|:=|=>|[:=])[ \t]{0,8}`;

const QUOTED = new RegExp(String.raw`(${NOUN}${ASSIGN}(["'\x60]))([^\s"'\x60]{6,200})(?=\2)`, 'gi');
const ELEMENT = new RegExp(String.raw`(<(${NAME})>)([^<\s]{6,200})(?=</\2>)`, 'gi');
/** A whole line of YAML, a properties file, a Dockerfile, a shell script that only sets variables. */
const UNQUOTED = new RegExp(String.raw`^([ \t]{0,40}(?:- |export |ENV |ARG )?${NAME}[ \t]{0,8}[:=][ \t]{0,8})([^\s"'\x60#()]{6,200})(?=[ \t]*(?:#.*)?\r?$)`, 'gim');

/** What kind of text: in code an unquoted value is a name. */
export type TextKind = 'code' | 'configuration';

/** `hide` gives what stands in the place of a value. */
export function redactNamed(text: string, kind: TextKind, hide: () => string): string {
  const replace = (whole: string, before: string, _separator: string, value: string): string => (isMadeUp(value) ? before + hide() : whole);
  const out = text.replace(QUOTED, replace).replace(ELEMENT, replace);
  return kind === 'code' ? out : out.replace(UNQUOTED, (whole: string, before: string, value: string) => (isMadeUp(value) ? before + hide() : whole));
}

/** Letters, and digits or punctuation of passwords; not built from other names, no template, no path or address. */
function isMadeUp(value: string): boolean {
  if (!/[A-Za-z]/.test(value) || !/[0-9!@#$%^&*+=?~]/.test(value)) return false;
  if (/^[$%<{[(./~]|[${#%]\{|\$\(|\\\(|<%|%[sdv@]|:\/\//.test(value)) return false;
  if (PLACEHOLDER.test(value)) return false;
  return !/^[a-z]+\d?(?:[._/-][a-z]+\d?)+$/i.test(value) && !/^[a-z]+(?:[A-Z][a-z]+)+\d?$/.test(value);
}

const PLACEHOLDER = /^(.)\1+$|example|placeholder|change_?-?me|your[_-]|xxxx|dummy|redacted|\*\*\*/i;
