import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  DETECTOR_NAMES,
  detectorOf,
  detectorsOf,
  SOURCES,
  sourcesOf,
  subjectId,
} from '../../src/domain/reconciliation';

it('has detectors of all four classes', () => {
  const classes = new Set(DETECTOR_NAMES.map((name) => detectorOf(name).class));

  expect([...classes].sort()).toEqual([
    'business_exception',
    'idempotency_failure',
    'outage',
    'over_retried',
  ]);
});

it('asks every source in a full run, each detector once, and only the database in a light one', () => {
  const full = SOURCES.flatMap((source) => detectorsOf('full', source));

  expect(full.sort()).toEqual([...DETECTOR_NAMES].sort());
  expect(sourcesOf('full')).toEqual(SOURCES);
  expect(sourcesOf('light')).toEqual(['database']);
  expect(detectorsOf('light', 'temporal')).toEqual([]);
});

it('changes nothing in a light run but by starting what nobody works on', () => {
  const remedies = detectorsOf('light', 'database').map((name) => detectorOf(name).remedy);

  expect(new Set(remedies)).toEqual(new Set(['restart']));
});

it('takes the id out of a subject of the kind that is meant, and refuses another', () => {
  expect(subjectId('order:1:2', 'order')).toBe('1:2');
  expect(() => subjectId('payment:1', 'order')).toThrow(RangeError);
});

describe('docs/reconciliation.md', () => {
  const rows = readFileSync(path.resolve(__dirname, '../../docs/reconciliation.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  const documented = new Map(
    rows.map(([, name, of, , remedy]) => [name!.replaceAll('`', ''), { of, remedy }]),
  );

  it('has every detector with its class and what becomes of a finding', () => {
    for (const name of DETECTOR_NAMES) {
      const { class: of, remedy } = detectorOf(name);
      expect([name, documented.get(name)]).toEqual([name, { of: of.replaceAll('_', ' '), remedy }]);
    }
    expect([...documented.keys()].sort()).toEqual([...DETECTOR_NAMES].sort());
  });

  it('has a runbook entry for every detector', () => {
    const text = readFileSync(path.resolve(__dirname, '../../docs/reconciliation.md'), 'utf8');
    const runbook = text.slice(text.indexOf('## Runbook'));

    for (const name of DETECTOR_NAMES) expect(runbook).toContain(`\`${name}\``);
  });
});
