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

export function readAlertRules(): AlertRule[] {
  const file = path.resolve(__dirname, '../../deploy/prometheus/alerts.yml');
  const document = parse(readFileSync(file, 'utf8')) as {
    groups: { rules: { alert: string; expr: string }[] }[];
  };
  return document.groups.flatMap(({ rules }) =>
    rules.map(({ alert, expr }) => {
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
    }),
  );
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
