import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(__dirname, '..', '..');
const RULES = '.dependency-cruiser.cjs';
/** Reading all of src takes about 4 s on 2 cores. */
const CRUISE_MS_MAX = 60_000;

interface Report {
  summary: { totalCruised: number; violations: { from: string; to: string; rule: { name: string } }[] };
}

/** As `npm run lint` calls it. */
function cruise(directory: string): Report['summary'] {
  const program = path.join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [program, '--config', RULES, '--output-type', 'json', 'src'],
    { cwd: directory, encoding: 'utf8', timeout: CRUISE_MS_MAX, maxBuffer: 64 * 1_024 * 1_024 },
  );
  if (!stdout.startsWith('{')) throw new Error(`dependency-cruiser gave no report: ${stderr}`);
  return (JSON.parse(stdout) as Report).summary;
}

describe('the import table', () => {
  it('holds in src', () => {
    const { violations, totalCruised } = cruise(root);

    expect(violations.map(({ from, to, rule }) => `${rule.name}: ${from} -> ${to}`)).toEqual([]);
    expect(totalCruised).toBeGreaterThan(100);
  });

  describe('in a copy with one import too many', () => {
    let copy: string;

    beforeEach(() => {
      copy = mkdtempSync(path.join(tmpdir(), 'aftercommit-imports-'));
      for (const name of ['src', RULES, 'tsconfig.json', 'package.json']) {
        cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
      }
      symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
    });

    afterEach(() => rmSync(copy, { recursive: true, force: true }));

    it('names the rule of each', () => {
      const planted: [file: string, line: string, rule: string | null][] = [
        ['domain/planted.ts', `import { Pool } from 'pg';`, 'domain-imports-only-its-packages'],
        [
          'domain/planted-clock.ts',
          `import { hrtime } from 'node:process';`,
          'pure-rooms-use-no-node-built-ins',
        ],
        [
          'workflows/planted.ts',
          `import { createPool } from '../database/pool';`,
          'workflows-imports-only-its-rooms',
        ],
        ['saga/planted.ts', `import { orderWorkflow } from '../workflows';`, 'saga-imports-only-its-rooms'],
        [
          'transactions/planted.ts',
          `import { createPool } from '../database/pool';`,
          'transactions-imports-only-its-rooms',
        ],
        ['database/planted.ts', `import { z } from 'zod';`, 'database-imports-only-its-packages'],
        ['bus/planted.ts', `import { createPool } from '../database/pool';`, 'bus-imports-only-its-rooms'],
        [
          'http/planted.ts',
          `import { createActivities } from '../activities';`,
          'http-imports-only-its-rooms',
        ],
        [
          'http/planted-gateway.ts',
          `import { createHttpCart } from '../gateways/http-cart';`,
          'http-imports-only-its-rooms',
        ],
        [
          'http/planted-lane.ts',
          `import { SoldOut } from '../lanes/sold-out';`,
          'http-imports-only-its-rooms',
        ],
        ['lanes/planted.ts', `import { Router } from 'express';`, 'lanes-imports-only-its-packages'],
        [
          'lanes/planted-room.ts',
          `import { matches } from '../bus/pattern';`,
          'lanes-imports-only-its-rooms',
        ],
        ['http/planted-type.ts', `import type { Cart } from '../gateways/cart';`, null],
        [
          'http/planted-type-too-many.ts',
          `import type { Activities } from '../activities';`,
          'http-takes-only-types-of-gateways-and-lanes',
        ],
        [
          'workflows/planted-type.ts',
          `import type { Pool } from '../database/pool';`,
          'workflows-takes-only-types-of-activities',
        ],
        ['activities/planted.ts', `import { findFreePort } from '../dev/ports';`, 'only-dev-imports-dev'],
        ['domain/planted-circle.ts', `import './planted-round';`, 'no-cycles'],
        // A circle is reported once.
        ['domain/planted-round.ts', `import './planted-circle';`, null],
      ];
      for (const [file, line] of planted) writeFileSync(path.join(copy, 'src', file), `${line}\n`);

      const { violations } = cruise(copy);

      const named = violations.map(({ from, rule }) => `${from} ${rule.name}`);
      for (const [file, , rule] of planted) if (rule !== null) expect(named).toContain(`src/${file} ${rule}`);
      expect(named.filter((one) => one.startsWith('src/http/planted-type.ts'))).toEqual([]);
      const others = violations.filter(({ from }) => !planted.some(([file]) => from === `src/${file}`));
      expect(others).toEqual([]);
    });
  });
});
