/** A small document that says which version it is in its text, its vector and its symbol. */
import type { DocRecord } from '../../src/format/doc.ts';

export function tinyDoc(key: string, version: number, dimension: number): DocRecord {
  return {
    key,
    language: 'typescript',
    source: null,
    chunks: [{
      startLine: 1, endLine: 2, kind: 'declaration', symbol: 0, text: `${key} ${version}`, terms: new Map([[key, 1], [`v${version}`, 1]]),
      vector: dimension === 0 ? null : Float32Array.from({ length: dimension }, (_, i) => (i === 1 ? version : i + 0.5)),
    }],
    symbols: [{ name: `${key}Fn`, qualified: `${key}Fn`, kind: 'function', startLine: 1, endLine: 2, parent: -1, terms: [`${key}fn`] }],
    edges: [{ kind: 'call', from: 0, target: `v${version}`, line: 1 }],
    pathTerms: new Map([[key, 2]]),
    commentTerms: new Map(),
    pairs: [],
    stem: key,
    pathVector: null,
    payload: null,
  };
}
