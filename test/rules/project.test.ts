import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as errors from '../../src/errors';
import { TemplateError } from '../../src/bus/transformer';

/** What the documents say and what the code does must be the same. */

const root = path.resolve(__dirname, '..', '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

/** The cells of every table row of a document, without back-quotes. */
function rowsOf(file: string): string[][] {
  return read(file)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .slice(1, line.lastIndexOf('|'))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}

describe('docs/errors.md', () => {
  /** Rows of problems have a status in the second cell; other tables of that page have none. */
  const documented = new Map(
    rowsOf('docs/errors.md')
      .filter(([, status]) => /^\d{3}$/.test(status ?? ''))
      .map(([code, status, retryable]) => [code, `${status} ${retryable}`]),
  );

  it('has every error class of the product with its status and whether it is repeated', () => {
    const classes = [...Object.values(errors), TemplateError] as (typeof errors.AppError)[];

    for (const { code, httpStatus, retryable } of classes) {
      expect([code, documented.get(code)]).toEqual([code, `${httpStatus} ${retryable ? 'yes' : 'no'}`]);
    }
  });

  it('has the classes that stand beside their only use, and no code that does not exist', () => {
    const sources = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => read(path.join('src', file)));
    const apart = sources.flatMap((text) =>
      [
        ...text.matchAll(
          /static override readonly code = '(\w+)';\s+static override readonly httpStatus = (\d+)/g,
        ),
      ].map(([, code, status]) => [code!, `${status} no`] as const),
    );
    const central = (Object.values(errors) as (typeof errors.AppError)[]).map(({ code }) => code);

    for (const [code, row] of apart) expect([code, documented.get(code)]).toEqual([code, row]);
    expect([...documented.keys()].sort()).toEqual(
      [...new Set([...central, ...apart.map(([code]) => code)])].sort(),
    );
  });
});

describe('docs/configuration.md', () => {
  const config = read('src/config.ts');
  const documented = new Map(
    rowsOf('docs/configuration.md')
      .filter(([name]) => /^[A-Z]/.test(name ?? ''))
      .map(([name, value]) => [name, value]),
  );
  const variables = [...config.matchAll(/^ {2}([A-Z][A-Z0-9_]+): (.+)$/gm)].map(
    ([, name, schema]) => [name!, schema!] as const,
  );

  it('has every variable with its default, or says that it is required', () => {
    expect(variables.length).toBeGreaterThan(25);
    for (const [name, schema] of variables) {
      const literal = /\.default\('?([\w.]+)'?\)/.exec(schema)?.[1]?.replaceAll('_', '');
      const optional = /\.(optional|default)\(/.test(schema);
      const expected = optional ? (literal === 'null' ? '–' : (literal ?? '–')) : 'required';
      expect([name, documented.get(name)]).toEqual([name, expected]);
    }
  });

  it('has no variable that nothing reads', () => {
    const elsewhere = [...config.matchAll(/KNOWN_ELSEWHERE = \[([^\]]+)\]/g)].flatMap(([, list]) =>
      [...list!.matchAll(/'(\w+)'/g)].map(([, name]) => name!),
    );
    const development = ['TEMPORAL_CLI_PATH', 'XDG_CACHE_HOME'];

    expect([...documented.keys()].sort()).toEqual(
      [...variables.map(([name]) => name), ...elsewhere, ...development].sort(),
    );
  });

  it('names the variables that may come from a file', () => {
    const secrets = [.../const SECRETS = \[([^\]]+)\]/.exec(config)![1]!.matchAll(/'(\w+)'/g)];

    for (const [, name] of secrets) expect(read('docs/configuration.md')).toContain(`\`${name}_FILE\``);
  });
});
