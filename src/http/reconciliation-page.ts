import type { Page } from '../database/page';
import type { FindingView, ReconciliationView } from '../database/reconciliation-views';
import type { DetectorName } from '../domain/reconciliation';

/** Plain, and readable without a script. */
export const STYLE = `body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { border-bottom: 1px solid #d0d7de; padding: .35rem .6rem; text-align: left; vertical-align: top; }
th { font-weight: 600; } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
.high { color: #b42318; } .medium { color: #93540a; } .quiet { color: #57606a; } .good { color: #1a7f37; }
`;

/** One run for people: what was found, by detector, and each finding. Every value is escaped; no script, no inline style. */
export function reportPage(
  run: ReconciliationView,
  findings: Page<FindingView>,
  shown: { detector: DetectorName | undefined; limit: number },
): string {
  const title = `Reconciliation ${run.reconciliationId}`;
  return page(
    title,
    `<h1>${text(title)}</h1>
<p>${text(run.kind)}${run.dryRun ? ', dry run' : ''}, asked for by ${text(run.actor)}. <strong>${text(run.state)}</strong>
${run.finishedAt === null ? '' : `at ${text(run.finishedAt)}`}. <a href="/v1/reconciliations">All reconciliations</a></p>
${unreadOf(run)}
${run.found === 0 ? '<p class="good">Nothing was found.</p>' : countsOf(run)}
${findings.data.length === 0 ? '' : findingsOf(run, findings, shown)}`,
  );
}

/** The runs for people, newest first. */
export function listPage(runs: Page<ReconciliationView>, kind: string | undefined): string {
  const rows = runs.data.map(
    (run) => `<tr><td><a href="/v1/reconciliations/${run.reconciliationId}">${text(run.createdAt)}</a></td>
<td>${text(run.kind)}${run.dryRun ? ', dry run' : ''}</td><td>${text(run.state)}</td><td class="number">${run.found}</td></tr>`,
  );
  const next = query({ kind, cursor: runs.nextCursor ?? undefined });
  return page(
    'Reconciliations',
    `<h1>Reconciliations</h1>
<table><thead><tr><th>asked for</th><th>kind</th><th>state</th><th class="number">found</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>
${runs.nextCursor === null ? '' : `<p><a href="/v1/reconciliations?${next}">older</a></p>`}`,
  );
}

function unreadOf({ unread, truncated }: ReconciliationView): string {
  const away = unread.map(
    ({ source, code }) =>
      `<p class="high">${text(source)} could not be looked at: <code>${text(code)}</code></p>`,
  );
  const more = truncated.map(
    (detector) =>
      `<p class="medium">${text(detector)} found more than one run takes; the next run goes on.</p>`,
  );
  return [...away, ...more].join('\n');
}

function countsOf(run: ReconciliationView): string {
  const rows = Object.entries(run.detectors).map(
    ([name, count]) => `<tr><td><a href="?${query({ detector: name })}">${text(name)}</a></td>
<td>${text(count.class.replaceAll('_', ' '))}</td><td class="${text(count.severity)}">${text(count.severity)}</td>
${[count.found, count.repaired, count.parked, count.reported, count.open].map((n) => `<td class="number">${n}</td>`).join('')}</tr>`,
  );
  const numbers = ['found', 'repaired', 'parked', 'reported', 'open'].map(
    (name) => `<th class="number">${name}</th>`,
  );
  return `<h2>By detector</h2>
<table><thead><tr><th>detector</th><th>class</th><th>severity</th>${numbers.join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`;
}

function findingsOf(
  run: ReconciliationView,
  findings: Page<FindingView>,
  { detector, limit }: { detector: DetectorName | undefined; limit: number },
): string {
  const rows = findings.data.map(
    (one) => `<tr><td>${text(one.detector)}</td><td><code>${text(one.subject)}</code></td>
<td>${one.orderId === null ? '<span class="quiet">–</span>' : `<a href="/v1/orders/${text(one.orderId)}/timeline">timeline</a>`}</td>
<td><code>${text(JSON.stringify(one.detail))}</code></td><td>${text(one.action)}</td></tr>`,
  );
  const next = query({ detector, limit: String(limit), cursor: findings.nextCursor ?? undefined });
  const all =
    detector === undefined
      ? ''
      : `<p><a href="/v1/reconciliations/${run.reconciliationId}">all findings</a></p>`;
  return `<h2>Findings${detector === undefined ? '' : ` of ${text(detector)}`}</h2>${all}
<table><thead><tr><th>detector</th><th>what</th><th>order</th><th>detail</th><th>done</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>
${findings.nextCursor === null ? '' : `<p><a href="?${next}">more</a></p>`}`;
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(title)}</title>
<link rel="stylesheet" href="/reconciliations.css">
</head>
<body>
${body}
</body>
</html>
`;
}

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Any text, harmless inside an element or an attribute. */
function text(value: string): string {
  return value.replaceAll(/[&<>"']/g, (character) => ESCAPES[character]!);
}

function query(members: Record<string, string | undefined>): string {
  const given = Object.entries(members).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return text(new URLSearchParams(given).toString());
}
