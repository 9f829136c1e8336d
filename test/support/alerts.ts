import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

/** An alert rule of deploy/prometheus/alerts.yml, as far as its expressions go: an aggregate of one metric and a limit. */
export interface AlertRule {
  name: string;
  aggregate: 'max' | 'min';
  metric: string;
  labels: Record<string, string>;
  comparison: '>' | '<';
  limit: number;
}

const EXPRESSION = /^(max|min)(?: by \((?:\w+)\))? ?\((\w+)(?:\{(\w+)="(\w+)"\})?\) (>|<) (\d+)$/;

/** The other two forms, over what counters grew by: a share of them, and one that grows while another stands still. */
export interface CounterRule {
  name: string;
  kind: 'share' | 'without';
  metric: string;
  labels: Record<string, string>;
  /** The whole of which it is a share, or what must grow beside it. */
  other: string;
  /** Of a share. */
  limit: number;
}

const SHARE = /^sum\(rate\((\w+)\{(\w+)="(\w+)"\}\[\d+m\]\)\) \/ sum\(rate\((\w+)\[\d+m\]\)\) > ([\d.]+)$/;
const WITHOUT = /^sum\(rate\((\w+)\{(\w+)="(\w+)"\}\[\d+m\]\)\) > 0 unless sum\(rate\((\w+)\[\d+m\]\)\) > 0$/;

function readExpressions(): { alert: string; expr: string }[] {
  const file = path.resolve(__dirname, '../../deploy/prometheus/alerts.yml');
  const document = parse(readFileSync(file, 'utf8')) as {
    groups: { rules: { alert: string; expr: string }[] }[];
  };
  return document.groups.flatMap(({ rules }) => rules);
}

const isOfCounters = ({ expr }: { expr: string }): boolean => expr.includes('rate(');

export function readCounterRules(): CounterRule[] {
  return readExpressions()
    .filter(isOfCounters)
    .map(({ alert, expr }) => {
      const share = SHARE.exec(expr);
      const found = share ?? WITHOUT.exec(expr);
      if (found === null) throw new Error(`the expression of ${alert} is of another form: ${expr}`);
      const [, metric, label, value, other, limit] = found;
      return {
        name: alert,
        kind: share === null ? 'without' : 'share',
        metric: metric!,
        labels: { [label!]: value! },
        other: other!,
        limit: limit === undefined ? 0 : Number(limit),
      };
    });
}

/** Whether the rule's condition holds for what its counters grew by between two scrapes. */
export function holdsBetween(
  rule: CounterRule,
  before: readonly Sample[],
  after: readonly Sample[],
): boolean {
  const grown = (metric: string, labels: Record<string, string> = {}): number =>
    sumOf(after, metric, labels) - sumOf(before, metric, labels);
  const growth = grown(rule.metric, rule.labels);
  const other = grown(rule.other);
  return rule.kind === 'share' ? growth / other > rule.limit : growth > 0 && !(other > 0);
}

function sumOf(samples: readonly Sample[], metric: string, labels: Record<string, string>): number {
  return samples
    .filter((sample) => sample.metric === metric)
    .filter((sample) => Object.entries(labels).every(([name, value]) => sample.labels[name] === value))
    .reduce((sum, { value }) => sum + value, 0);
}

export function readAlertRules(): AlertRule[] {
  return readExpressions()
    .filter((rule) => !isOfCounters(rule))
    .map(({ alert, expr }) => {
      const found = EXPRESSION.exec(expr);
      if (found === null) throw new Error(`the expression of ${alert} is of another form: ${expr}`);
      const [, aggregate, metric, label, value, comparison, limit] = found;
      return {
        name: alert,
        aggregate: aggregate as 'max' | 'min',
        metric: metric!,
        labels: label === undefined ? {} : { [label]: value! },
        comparison: comparison as '>' | '<',
        limit: Number(limit),
      };
    });
}

export interface Sample {
  metric: string;
  labels: Record<string, string>;
  value: number;
}

/** The samples of a text in Prometheus's format. */
export function readSamples(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (found === null) return [];
    const [, metric, labels = '', value] = found;
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, text]) => [name, text]);
    return [
      { metric: metric!, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) },
    ];
  });
}

/**
 * Whether the rule's condition holds on these samples.
 * @param limit - in place of the rule's own, so that a test need not wait for minutes
 */
export function holds(rule: AlertRule, samples: readonly Sample[], limit = rule.limit): boolean {
  return samples
    .filter(({ metric }) => metric === rule.metric)
    .filter(({ labels }) => Object.entries(rule.labels).every(([name, value]) => labels[name] === value))
    .some(({ value }) => (rule.comparison === '>' ? value > limit : value < limit));
}
