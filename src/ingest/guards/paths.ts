/**
 * Files that are recognised by their name alone: secrets, which are never opened, and files that hold nothing worth
 * searching. Matching ignores case.
 */

/** Why a path is not read; the text goes into the note of its document. */
export type PathVerdict = 'secret' | 'binary' | 'lock file' | 'minified' | 'generated';

const SECRET_NAMES = new Set([
  '.npmrc', '.netrc', '_netrc', '.pgpass', '.my.cnf', '.pypirc', '.htpasswd', '.dockercfg', '.git-credentials', '.vault-token', '.s3cfg', '.boto',
  '.terraformrc', 'terraform.rc', 'terraform.tfstate', 'kubeconfig', 'authorized_keys', 'known_hosts', 'secrets.yml', 'secrets.yaml', 'secrets.json', 'secrets.toml',
  'secret.yml', 'secret.yaml', 'secret.json', 'service-account.json', 'serviceaccount.json', 'master.key', 'wp-config.php', '.envrc', 'shadow', 'token.json',
]);
const SECRET_EXTENSION = /\.(pem|key|p12|pfx|p8|jks|keystore|kdbx?|ppk|pkcs12|asc|gpg|pgp|ovpn|tfstate|tfstate\.backup|mobileprovision|kubeconfig)$/;
/** `.env`, `.env.local`, `prod.env`; templates without values (`.env.example`) are no secrets. */
const ENVIRONMENT = /^(\.env([._-].*)?|.+\.env)$/;
const TEMPLATE = /[._-](example|sample|template|dist|default|defaults|schema)$/;
const IDENTITY = /^id_(rsa|dsa|ecdsa|ed25519|ecdsa_sk|ed25519_sk|[a-z0-9]+)$/;
/** `credentials`, `credentials.json`, `aws-credentials.ini`; code that handles credentials (`credentials.go`) is code. */
const CREDENTIALS = /^[\w.-]*credentials?(\.(json|ya?ml|ini|toml|xml|txt|cfg|conf|properties|csv|enc))?$/;
const SECRET_DIRECTORIES = /(^|\/)(\.ssh|\.gnupg|\.aws|\.azure|\.kube|\.docker)\//;

export function isSecretPath(path: string): boolean {
  const lower = path.toLowerCase();
  const base = lower.slice(lower.lastIndexOf('/') + 1);
  if (ENVIRONMENT.test(base)) return !TEMPLATE.test(base);
  return SECRET_NAMES.has(base) || SECRET_EXTENSION.test(base) || IDENTITY.test(base) || CREDENTIALS.test(base) || SECRET_DIRECTORIES.test(lower);
}

const LOCK_FILES = new Set([
  'package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb', 'deno.lock', 'cargo.lock', 'poetry.lock', 'pipfile.lock',
  'uv.lock', 'pdm.lock', 'gemfile.lock', 'composer.lock', 'go.sum', 'go.work.sum', 'flake.lock', 'mix.lock', 'podfile.lock', 'package.resolved', 'packages.lock.json',
  'pubspec.lock', 'stack.yaml.lock', 'cabal.project.freeze', 'gradle.lockfile', 'module.bazel.lock', 'rebar.lock', 'shard.lock', 'conan.lock', 'paket.lock',
]);

const BINARY_EXTENSIONS = new Set((
  'png jpg jpeg gif bmp ico icns webp avif tif tiff psd ai eps pdf mp3 mp4 m4a m4v mov avi mkv webm wav ogg flac aac ttf otf woff woff2 eot zip gz tgz bz2 xz zst 7z rar ' +
  'tar jar war ear class o a so dylib dll exe lib pdb wasm pyc pyo node bin dat db sqlite sqlite3 parquet npy npz pkl pickle onnx safetensors gguf pt pth h5 doc docx xls xlsx ppt pptx ' +
  'odt ods odp dmg iso img deb rpm apk ipa aab snap keystore nupkg whl egg gem crate blend fbx glb swf'
).split(' '));

const MINIFIED_NAME = /[.-]min\.(js|mjs|cjs|css)$|\.(bundle|chunk)\.js$|\.(js|mjs|cjs|css|ts)\.map$/;
const GENERATED_NAME = /(\.pb\.(go|cc|h|swift)|\.pb\.gw\.go|_pb2(_grpc)?\.pyi?|_pb\.(js|d\.ts|rb)|\.(g|freezed|gr)\.dart|\.designer\.cs|\.g\.cs|\.generated\.\w+|\.snap)$/;

export function judgePath(path: string): PathVerdict | null {
  if (isSecretPath(path)) return 'secret';
  const base = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  if (LOCK_FILES.has(base)) return 'lock file';
  const dot = base.lastIndexOf('.');
  if (dot !== -1 && BINARY_EXTENSIONS.has(base.slice(dot + 1))) return 'binary';
  if (MINIFIED_NAME.test(base)) return 'minified';
  return GENERATED_NAME.test(base) ? 'generated' : null;
}
