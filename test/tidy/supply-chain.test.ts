// Whose code runs here: exact versions with checksums, from the registry alone, and no scripts of packages but the one that unpacks Node.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { projectRoot } from './sources.ts';

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly hasInstallScript?: boolean;
}

const read = <T>(name: string): T => JSON.parse(readFileSync(join(projectRoot, name), 'utf8')) as T;
const manifest = read<{ readonly scripts: Readonly<Record<string, string>>; readonly dependencies: Readonly<Record<string, string>>; readonly devDependencies: Readonly<Record<string, string>> }>('package.json');
const { packages } = read<{ readonly packages: Readonly<Record<string, LockedPackage>> }>('package-lock.json');
const installed = Object.entries(packages).filter(([path]) => path !== '');

test('[C.17] every dependency is of one exact version, and the lock file is of these', () => {
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/, name);
    assert.equal(packages[`node_modules/${name}`]?.version, version, name);
  }
});

test('[C.17] every package that runs has a checksum, and all come from a registry', () => {
  assert.ok(installed.length > 10);
  for (const [path, { integrity, resolved, link, dev, optional, os, cpu }] of installed) {
    // Builds of tools for other systems, which the registry did not describe where the lock file was written.
    if (!(dev === true && optional === true && (os ?? cpu) !== undefined)) assert.match(integrity ?? '', /^sha512-/, path);
    assert.equal(link, undefined, path);
    assert.ok(resolved === undefined || resolved.startsWith('https://'), `${path}: ${resolved}`);
  }
});

test('[C.17] no package runs a script when it is installed, but the one that brings Node', () => {
  assert.deepEqual(installed.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([path]) => path), ['node_modules/node']);
  for (const name of ['preinstall', 'install', 'postinstall']) assert.equal(manifest.scripts[name], undefined, name);
});
