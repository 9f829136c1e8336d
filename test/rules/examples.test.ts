import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as consumer from 'aftercommit/consumer';
import * as saga from 'aftercommit/saga';
import * as transactions from 'aftercommit/transactions';

/** The examples are what a user's own project would be: they have what the package exports, and nothing else of it. */

const root = path.resolve(__dirname, '..', '..');
const examples = path.join(root, 'examples');
const files = readdirSync(examples, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>;
  scripts: Record<string, string>;
};
const exported = Object.keys(manifest.exports).map((name) => name.replace('./', 'aftercommit/'));

function importsOf(file: string): string[] {
  const text = readFileSync(path.join(examples, file), 'utf8');
  return [...text.matchAll(/(?:\bfrom|\bimport|require(?:\.resolve)?\()\s*'([^']+)'/g)].map(
    ([, name]) => name!,
  );
}

it.each(files)('%s imports nothing of the repository but the package', (file) => {
  for (const name of importsOf(file)) {
    if (name.startsWith('.')) {
      const place = path.resolve(examples, path.dirname(file), name);
      expect([name, path.relative(examples, place).startsWith('..')]).toEqual([name, false]);
      expect([name, existsSync(`${place}.ts`)]).toEqual([name, true]);
    } else if (name.startsWith('aftercommit')) {
      expect(exported).toContain(name);
    }
  }
});

it('reads what it looks for', () => {
  const all = files.flatMap(importsOf);

  for (const kit of ['saga', 'transactions', 'consumer']) expect(all).toContain(`aftercommit/${kit}`);
});

it.each(readdirSync(examples, { withFileTypes: true }).filter((entry) => entry.isDirectory()))(
  '$name can be run, says how and is tested',
  ({ name }) => {
    const readme = readFileSync(path.join(examples, name, 'README.md'), 'utf8');

    expect(manifest.scripts[`example:${name}`]).toContain(`examples/${name}/main.ts`);
    expect(readme).toContain(`npm run example:${name}`);
    expect(existsSync(path.join(root, 'test', 'examples', `${name}.test.ts`))).toBe(true);
  },
);

describe('what the package exports', () => {
  it.each([
    ['consumer', consumer],
    ['saga', saga],
    ['transactions', transactions],
  ])('aftercommit/%s is built with its types, and is what its source says', (name, source) => {
    const { types, default: program } = manifest.exports[`./${name}`] as { types: string; default: string };
    const print = `console.log(JSON.stringify(Object.keys(require('aftercommit/${name}')).sort()))`;

    const { stdout, stderr } = spawnSync(process.execPath, ['-e', print], { cwd: root, encoding: 'utf8' });

    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(Object.keys(source).sort());
    for (const file of [types, program])
      expect([file, existsSync(path.join(root, file))]).toEqual([file, true]);
    expect(declarationsMissing(path.join(root, types))).toEqual([]);
  });
});

/** What a declaration names must have a declaration too, or it is `any` at whoever imports it. */
function declarationsMissing(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  if (!existsSync(file)) return [path.relative(root, file)];
  return [...readFileSync(file, 'utf8').matchAll(/from '(\.[^']+)'/g)].flatMap(([, name]) =>
    declarationsMissing(path.resolve(path.dirname(file), `${name}.d.ts`), seen),
  );
}
