/**
 * Splitting of one identifier into its parts: `parseHTTPHeader` → parse, http, header; `snake_case` → snake, case.
 * A name with underscores is split at those only, so that `MAX_IPv4` keeps `ipv4` together.
 */

const CAMEL = /[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+/g;
/** The same for words with letters outside ASCII; letters without case (Greek has it, Hebrew has not) form one part. */
const CAMEL_UNICODE = /\p{Lu}+(?=\p{Lu}\p{Ll})|\p{Lu}?[\p{Ll}\p{M}]+|\p{Lu}+|\p{N}+|[\p{Lo}\p{Lm}\p{Lt}\p{M}]+/gu;
const NON_ASCII = /[^\0-\x7f]/;

/** Lower-case parts of an identifier in order; a name that does not split is its own single part. */
export function identifierParts(identifier: string): string[] {
  const lower = identifier.toLowerCase();
  if (identifier.includes('_')) {
    const parts = lower.split('_').filter((part) => part !== '');
    return parts.length >= 2 ? parts : [lower];
  }
  const parts = identifier.match(NON_ASCII.test(identifier) ? CAMEL_UNICODE : CAMEL);
  return parts === null || parts.length < 2 ? [lower] : parts.map((part) => part.toLowerCase());
}
