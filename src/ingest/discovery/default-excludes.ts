/** Folders that hold installed or generated files. They are left out where no repository says what belongs to the tree. */
const FOLDERS: ReadonlySet<string> = new Set([
  '.git', '.hg', '.svn', '.jj', 'CVS', 'node_modules', 'bower_components', 'jspm_packages', '.yarn', '.pnpm-store', '__pycache__', '.venv', 'venv', '.tox', '.nox',
  '.mypy_cache', '.pytest_cache', '.ruff_cache', '.eggs', '.ipynb_checkpoints', '.cache', '.parcel-cache', '.turbo', '.next', '.nuxt', '.svelte-kit', '.output',
  'dist', 'build', 'target', '.gradle', '.idea', '.vs', '.terraform', '.dart_tool', '.bundle', '.stack-work', 'dist-newstyle', '_build', 'zig-cache', '.zig-cache',
  'zig-out', 'coverage', '.nyc_output', '.Trash', '.direnv',
]);

export function isDefaultExclude(name: string): boolean {
  return FOLDERS.has(name);
}
