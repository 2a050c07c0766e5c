/** Order of version numbers: major.minor.patch, a pre-release before its release (semver.org, §11, without build metadata).
 * Client and daemon decide with it who makes room for whom, so there is one. */

/** Negative when a is older than b. What is not a version counts as the oldest. */
export function compareVersions(a: string, b: string): number {
  const left = parse(a);
  const right = parse(b);
  for (let i = 0; i < 3; i++) {
    const difference = (left.numbers[i] ?? 0) - (right.numbers[i] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left.pre === right.pre) return 0;
  if (left.pre === '' || right.pre === '') return left.pre === '' ? 1 : -1;
  return left.pre < right.pre ? -1 : 1;
}

function parse(version: string): { readonly numbers: readonly number[]; readonly pre: string } {
  const match = /^(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?/.exec(version);
  if (match === null) return { numbers: [-1], pre: '' };
  return { numbers: match.slice(1, 4).map(Number), pre: match[4] ?? '' };
}
