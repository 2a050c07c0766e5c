/** The documents of the checked-in files of the first format. Never changed: a new format gets new documents beside them. */
import type { DocRecord } from '../../src/format/doc.ts';

const vector = (...values: readonly number[]): Float32Array => Float32Array.from(values);

export const GOLDEN_DOCS: readonly DocRecord[] = [
  {
    key: 'logo.png', language: '', chunks: [], symbols: [], edges: [], pathTerms: new Map([['logo', 2]]), commentTerms: new Map(), pairs: [], stem: 'logo',
    pathVector: null, payload: null,
    source: { size: 70_000, mtimeNs: -1n, hash: Uint8Array.from({ length: 16 }, (_, i) => i), note: 'binary' },
  },
  {
    key: 'src/wal/größe.ts', language: 'typescript',
    source: { size: 61, mtimeNs: 1_700_000_000_123_456_789n, hash: Uint8Array.from({ length: 16 }, (_, i) => 255 - i), note: null },
    chunks: [
      { startLine: 1, endLine: 2, kind: 'group', symbol: -1, text: 'import { x } from "y";\n', terms: new Map([['import', 1], ['x', 300]]), vector: vector(1, -0, 0.5, NaN, 2) },
      { startLine: 3, endLine: 4, kind: 'declaration', symbol: 1, text: 'größe 検 🪨\n', terms: new Map([['größe', 1], ['x', 2]]), vector: vector(0.25, -1, 0, 3, 4) },
    ],
    symbols: [
      { name: 'Wal', qualified: 'Wal', kind: 'class', startLine: 1, endLine: 4, parent: -1, terms: ['wal'] },
      { name: 'readBack', qualified: 'Wal.readBack', kind: 'method', startLine: 3, endLine: 4, parent: 0, terms: ['readback', 'back', 'read'] },
    ],
    edges: [{ kind: 'import', from: -1, target: 'y', line: 1 }, { kind: 'call', from: 1, target: 'größe', line: 4 }],
    pathTerms: new Map([['src', 1], ['wal', 1]]), commentTerms: new Map([['frame', 2]]), pairs: ['read back'], stem: 'größe',
    pathVector: vector(0, 0, 1, 0, 0), payload: null,
  },
  {
    key: 'vec/1', language: '', source: null, symbols: [], edges: [], pathTerms: new Map(), commentTerms: new Map(), pairs: [], stem: '', pathVector: null,
    chunks: [{ startLine: 0, endLine: 0, kind: 'record', symbol: -1, text: '', terms: new Map(), vector: vector(1, 2, 3, 4, 5) }],
    payload: Uint8Array.of(0, 1, 2, 255),
  },
];
