/** Lists the source files of the project and what each of them imports; shared by the tidy tests. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface SourceFile {
  /** Relative to the project root, '/' separators. */
  readonly path: string;
  readonly text: string;
  /** Specifiers of static and dynamic imports and re-exports; relative ones resolved to project paths. */
  readonly imports: readonly { readonly specifier: string; readonly typeOnly: boolean }[];
}

const IMPORT = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

export function readSource(path: string): SourceFile {
  const text = readFileSync(join(projectRoot, path), 'utf8');
  const imports = [...text.matchAll(IMPORT)].map((match) => {
    const specifier = match[2] ?? match[3] ?? '';
    const resolved = specifier.startsWith('.') ? relative(projectRoot, join(projectRoot, dirname(path), specifier)) : specifier;
    return { specifier: resolved, typeOnly: match[1] !== undefined };
  });
  return { path, text, imports };
}

export function sourcesUnder(...folders: readonly string[]): SourceFile[] {
  return folders
    .flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: projectRoot }))
    .filter((path) => !path.endsWith('.generated.ts') && !path.endsWith('.d.ts') && !path.includes('fixtures/'))
    .sort()
    .map(readSource);
}
