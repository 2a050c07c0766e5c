/** Source trees for tests: small real code, written by hand or generated from a seed. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type Tree = Readonly<Record<string, string>>;

export function writeTree(root: string, tree: Tree): void {
  for (const [path, text] of Object.entries(tree)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** Settings of the person who runs the tests must not matter, nor the repository of a hook that runs them. */
const GIT_ENVIRONMENT: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'))),
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
};

export function git(root: string, ...args: readonly string[]): string {
  return execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'init.defaultBranch=main', ...args], {
    cwd: root,
    env: GIT_ENVIRONMENT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** A small storage library in three languages: enough names and words to tell good answers from bad ones. */
export const STORAGE_TREE: Tree = {
  'README.md': '# Pebble\n\nA tiny key-value store.\n\n## Durability\n\nEvery write goes to the write-ahead log first.\n',
  'src/log-writer.ts': `import { crc32 } from './checksum.ts';

/** Frames one record of the write-ahead log: length, checksum, payload. */
export function frameRecord(payload: Uint8Array): Uint8Array {
  const framed = new Uint8Array(payload.length + 8);
  const view = new DataView(framed.buffer);
  view.setUint32(0, payload.length, true);
  view.setUint32(4, crc32(payload), true);
  framed.set(payload, 8);
  return framed;
}

/** Appends records to a log file and syncs it. */
export class LogWriter {
  readonly records: Uint8Array[] = [];

  append(payload: Uint8Array): number {
    this.records.push(frameRecord(payload));
    return this.records.length;
  }
}
`,
  'src/checksum.ts': `const TABLE = new Uint32Array(256).map((_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** Cyclic redundancy check of a byte string. */
export function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) c = (TABLE[(c ^ byte) & 255] ?? 0) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
`,
  'tools/compact.py': `"""Merge sorted tables and drop deleted keys."""


def merge_tables(tables):
    """Merge many sorted tables into one, newest value first."""
    merged = {}
    for table in tables:
        for key, value in table.items():
            merged.setdefault(key, value)
    return dict(sorted(merged.items()))


class Compactor:
    """Runs merges in the background."""

    def __init__(self, tables):
        self.tables = tables

    def run(self):
        return merge_tables(self.tables)
`,
  'server/main.go': `package main

import "net/http"

// HealthHandler answers whether the store is able to serve requests.
func HealthHandler(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
}

func main() {
	http.HandleFunc("/health", HealthHandler)
}
`,
  '.gitignore': 'build/\n*.tmp\n',
  'build/output.ts': 'export function generatedThing(): void {}\n',
  '.env': 'SECRET_TOKEN=abcdefabcdef\n',
};

/** Deterministic TypeScript file number `n`: one class and two functions with names of their own. */
export function generatedFile(n: number, revision = 0): string {
  return `/** Widget number ${n}, revision ${revision}: turns gadget${n} into gizmo${n}. */
export class Widget${n} {
  readonly label = 'widget-${n}-r${revision}';

  assembleGadget${n}(parts: readonly string[]): string {
    return parts.map((part) => part.toUpperCase()).join('-${n}-');
  }
}

export function dismantleWidget${n}(widget: Widget${n}): readonly string[] {
  return widget.label.split('-');
}
`;
}
