/**
 * Builds dist/ from src/: compiles, copies what is not TypeScript (migrations), bundles the workflows for the worker,
 * and removes outputs whose source is gone.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const source = path.join(root, 'src');
const dist = path.join(root, 'dist');
const BUILD_INFO = '.tsbuildinfo';
const BUNDLE = 'workflow-bundle.js';
/** Written by scripts/prepare.mjs. */
const STAMP = '.build-stamp';

const require = createRequire(import.meta.url);

function filesBelow(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)));
}

const isTypeScript = (file) => file.endsWith('.ts');

function outputsOf(file) {
  if (file.endsWith('.d.ts')) return [];
  if (!isTypeScript(file)) return [file];
  const script = file.replace(/\.ts$/, '.js');
  return [script, `${script}.map`];
}

function compile(sources) {
  // An incremental build does not see that an output was deleted.
  const complete = sources.flatMap(outputsOf).every((file) => existsSync(path.join(dist, file)));
  if (!complete) rmSync(path.join(dist, BUILD_INFO), { force: true });
  runCompiler('tsconfig.build.json');
  runCompiler('tsconfig.exports.json');
}

function runCompiler(project) {
  const tsc = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  const result = spawnSync(process.execPath, [tsc, '-p', project], { cwd: root, stdio: 'inherit' });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

function copyOthers(sources) {
  for (const file of sources.filter((name) => !isTypeScript(name))) {
    mkdirSync(path.dirname(path.join(dist, file)), { recursive: true });
    copyFileSync(path.join(source, file), path.join(dist, file));
  }
}

/** A deleted migration or module that stays in dist/ would still run. */
function removeStale(sources) {
  // What others import from the package has declarations, and so has all that its declarations name.
  const declarations = sources.filter(isTypeScript).map((file) => file.replace(/\.ts$/, '.d.ts'));
  const expected = new Set([...sources.flatMap(outputsOf), ...declarations, BUILD_INFO, BUNDLE, STAMP]);
  for (const file of filesBelow(dist)) {
    if (!expected.has(file)) rmSync(path.join(dist, file));
  }
}

/** The worker loads this instead of running webpack at its start, which takes seconds and needs the sources. */
async function bundleWorkflows() {
  const { bundleWorkflowCode, DefaultLogger } = require('@temporalio/worker');
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(dist, 'workflows', 'index.js'),
    logger: new DefaultLogger('WARN'),
  });
  const file = path.join(dist, BUNDLE);
  writeFileSync(`${file}.partial`, code);
  renameSync(`${file}.partial`, file);
}

const sources = filesBelow(source);
if (!sources.includes(path.join('workflows', 'index.ts'))) {
  console.error('src/workflows/index.ts is missing: a worker without workflows is of no use.');
  process.exit(1);
}
compile(sources);
copyOthers(sources);
removeStale(sources);
await bundleWorkflows();
