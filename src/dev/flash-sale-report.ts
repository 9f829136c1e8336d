import { EXIT } from '../main';
import {
  findDoubleCharged,
  findLost,
  findOversold,
  findSold,
  findUnownedMessages,
  type Finding,
  type FlashSaleEvidence,
} from './flash-sale-invariants';

/** What the demo ends with. */
export interface FlashSaleReport {
  isSound: boolean;
  findings: Finding[];
}

/** Source: the task of the demo: sold, oversold, lost, double-charged, unowned messages. */
const INVARIANTS = [findSold, findOversold, findLost, findDoubleCharged, findUnownedMessages];

const isBroken = ({ value, expected }: Finding): boolean => value !== expected;

/** Checks every invariant on what the database and the logs of others say now; to be asked once everything is at rest. */
export async function reportOn(evidence: FlashSaleEvidence): Promise<FlashSaleReport> {
  const findings: Finding[] = [];
  for (const find of INVARIANTS) findings.push(await find(evidence));
  return { isSound: !findings.some(isBroken), findings };
}

/** 8 when an invariant is broken. Source: the exit codes of the HTTP contract, "Access". */
export function exitCodeOf({ isSound }: FlashSaleReport): number {
  return isSound ? EXIT.ok : EXIT.broken;
}

/** Of each broken invariant; the JSON has all. */
const DETAILS_SHOWN = 5;

/** The report for people. */
export function linesOfReport({ isSound, findings }: FlashSaleReport): string[] {
  const lines = findings.flatMap((finding) => {
    const { name, value, expected, about, sources, details } = finding;
    const verdict = isBroken(finding) ? `BROKEN, must be ${expected}` : 'as it must be';
    const shown = details.slice(0, DETAILS_SHOWN).map((detail) => `    ${detail}`);
    const rest = details.length - shown.length;
    return [
      `  ${name.padEnd(17)} ${String(value).padStart(5)}  ${verdict}: ${about}`,
      `    from ${sources.map(shortSource).join(', ')}`,
      ...shown,
      ...(rest > 0 ? [`    … and ${rest} more`] : []),
    ];
  });
  return [...lines, '', isSound ? 'Every invariant holds.' : 'An invariant is broken.'];
}

/** A log by its name, a query by the tables that it reads; the JSON has its text. */
function shortSource(source: string): string {
  const tables = [...source.matchAll(/aftercommit\.(\w+)/g)].map(([, table]) => table);
  return tables.length === 0 ? `the ${source}` : `a query of ${[...new Set(tables)].join(' + ')}`;
}
