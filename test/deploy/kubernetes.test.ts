import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { IScaledObject, ITriggerAuthentication } from '@kubernetes-models/keda/keda.sh/v1alpha1';
import * as keda from '@kubernetes-models/keda/keda.sh/v1alpha1';
import type { IDeployment } from 'kubernetes-models/apps/v1';
import * as apps from 'kubernetes-models/apps/v1';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import * as autoscaling from 'kubernetes-models/autoscaling/v2';
import type { IJob } from 'kubernetes-models/batch/v1';
import * as batch from 'kubernetes-models/batch/v1';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1';
import * as policy from 'kubernetes-models/policy/v1';
import type { IConfigMap, IContainer, ISecret, IService } from 'kubernetes-models/v1';
import * as core from 'kubernetes-models/v1';
import * as ts from 'typescript';
import { parseAllDocuments } from 'yaml';
import { readConfig } from '../../src/config';
import { TASK_QUEUES } from '../../src/workflows/messages';

/** There is no cluster where the tests run: the manifests are checked against the kinds' schemas, each other and the product. */

const root = path.resolve(__dirname, '..', '..');
const folder = path.join('deploy', 'kubernetes');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

/** Schema (values) and type (names of fields) of every kind that may be used. Another one is a mistake, or belongs here first. */
const KINDS: Record<string, { model: new (data: never) => { validate(): void }; from: string }> = {
  'v1 Namespace': { model: core.Namespace, from: 'kubernetes-models/v1' },
  'v1 ServiceAccount': { model: core.ServiceAccount, from: 'kubernetes-models/v1' },
  'v1 ConfigMap': { model: core.ConfigMap, from: 'kubernetes-models/v1' },
  'v1 Secret': { model: core.Secret, from: 'kubernetes-models/v1' },
  'v1 Service': { model: core.Service, from: 'kubernetes-models/v1' },
  'apps/v1 Deployment': { model: apps.Deployment, from: 'kubernetes-models/apps/v1' },
  'batch/v1 Job': { model: batch.Job, from: 'kubernetes-models/batch/v1' },
  'policy/v1 PodDisruptionBudget': { model: policy.PodDisruptionBudget, from: 'kubernetes-models/policy/v1' },
  'networking.k8s.io/v1 NetworkPolicy': {
    model: networking.NetworkPolicy,
    from: 'kubernetes-models/networking.k8s.io/v1',
  },
  'autoscaling/v2 HorizontalPodAutoscaler': {
    model: autoscaling.HorizontalPodAutoscaler,
    from: 'kubernetes-models/autoscaling/v2',
  },
  'keda.sh/v1alpha1 ScaledObject': {
    model: keda.ScaledObject,
    from: '@kubernetes-models/keda/keda.sh/v1alpha1',
  },
  'keda.sh/v1alpha1 TriggerAuthentication': {
    model: keda.TriggerAuthentication,
    from: '@kubernetes-models/keda/keda.sh/v1alpha1',
  },
};

const files = readdirSync(path.join(root, folder)).filter((name) => name.endsWith('.yaml'));
const parsed = files.flatMap((file) =>
  parseAllDocuments(read(path.join(folder, file))).map((document) => ({ file, document })),
);
const manifests = parsed.map(({ document }) => document.toJS() as Manifest);
const named = manifests.map((one): [string, Manifest] => [`${one.kind} ${one.metadata.name}`, one]);

function all<T>(kind: string): (T & Manifest)[] {
  return manifests.filter((one) => one.kind === kind) as (T & Manifest)[];
}

/** What a kind's schema says about values: types, what is required, patterns. It lets unknown fields through. */
function problemsOfValues(manifest: Manifest): string[] {
  const kind = KINDS[`${manifest.apiVersion} ${manifest.kind}`];
  if (kind === undefined) return [`there is no kind ${manifest.apiVersion} ${manifest.kind}`];
  try {
    new kind.model(manifest as never).validate();
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

/** What the compiler says about each manifest as a literal of its kind's type: every unknown field, at any depth. */
function problemsOfFields(all: readonly Manifest[]): string[] {
  const source = all
    .map((one, index) => {
      const from = KINDS[`${one.apiVersion} ${one.kind}`]?.from ?? 'nowhere';
      return `export const m${index}: import('${from}').I${one.kind} = ${JSON.stringify(one, null, 1)};`;
    })
    .join('\n');
  const name = path.join(root, 'test', 'deploy', 'manifests.generated.ts');
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.Node20,
  };
  const host = ts.createCompilerHost(options);
  const real = { ...host };
  host.fileExists = (file) => file === name || real.fileExists(file);
  host.readFile = (file) => (file === name ? source : real.readFile(file));
  host.getSourceFile = (file, version, ...rest) =>
    file === name ? ts.createSourceFile(file, source, version) : real.getSourceFile(file, version, ...rest);
  return ts
    .getPreEmitDiagnostics(ts.createProgram([name], options, host))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}

describe('the manifests', () => {
  it.each(parsed.map(({ file, document }, index) => [`${file} ${index}`, document] as const))(
    '%s is YAML without a mistake',
    (_name, document) => {
      expect([...document.errors, ...document.warnings].map(({ message }) => message)).toEqual([]);
    },
  );

  it.each(named)('%s is valid by the schema of its kind', (_name, manifest) => {
    expect(problemsOfValues(manifest)).toEqual([]);
  });

  it('have no field that their kinds do not have', () => {
    expect(problemsOfFields(manifests)).toEqual([]);
  });

  it('would be refused with an unknown kind, a wrong value, a missing or a misspelt field', () => {
    const planted = (change: (copy: IDeployment) => unknown): Manifest => {
      const copy = structuredClone(all<IDeployment>('Deployment')[0]!);
      change(copy);
      return copy;
    };
    const container = (copy: IDeployment): IContainer => copy.spec!.template.spec!.containers[0]!;
    const unknownKind = planted((copy) => Object.assign(copy, { kind: 'Deploiment' }));
    const wrongValue = planted((copy) => Object.assign(copy.spec!, { replicas: 'two' }));
    const missing = planted(
      (copy) => delete (copy.spec as Partial<NonNullable<IDeployment['spec']>>).selector,
    );
    const misspelt = planted((copy) => Object.assign(container(copy), { readynessProbe: {} }));

    expect(problemsOfValues(unknownKind)).toEqual(['there is no kind apps/v1 Deploiment']);
    expect(problemsOfValues(wrongValue)).toEqual([expect.stringContaining('/spec/replicas must be integer')]);
    expect(problemsOfValues(missing)).toEqual([expect.stringContaining('selector')]);
    expect(problemsOfFields([misspelt])).toEqual([expect.stringContaining('readynessProbe')]);
    expect(problemsOfFields([unknownKind])).not.toEqual([]);
  });

  it('are all told of in docs/deploying.md, which applies and waits for none that is not there', () => {
    const guide = read('docs/deploying.md');
    const inOrder = guide.slice(guide.indexOf('cd deploy/kubernetes'), guide.indexOf('| file'));
    const applied = [...inOrder.matchAll(/-f (\S+\.yaml)/g)].map(([, name]) => name!);
    const awaited = [...inOrder.matchAll(/(deployment|job)\/(\S+)/g)].map(
      ([, kind, name]) => `${kind} ${name}`,
    );

    expect([...guide.matchAll(/^\| `(\S+\.yaml)`/gm)].map(([, name]) => name).sort()).toEqual(files.sort());
    expect(applied.length).toBeGreaterThan(8);
    for (const name of applied) expect(files).toContain(name);
    for (const name of awaited) expect(named.map(([known]) => known.toLowerCase())).toContain(name);
  });

  it('are in one namespace, each name once for its kind', () => {
    const names = named.map(([name]) => name);

    expect(new Set(names).size).toBe(names.length);
    for (const { kind, metadata } of manifests)
      expect([metadata.name, metadata.namespace]).toEqual([
        metadata.name,
        kind === 'Namespace' ? undefined : 'aftercommit',
      ]);
  });
});

type Labels = Record<string, string>;
type PodSpec = NonNullable<IDeployment['spec']>['template']['spec'];

interface Workload {
  name: string;
  labels: Labels;
  pod: NonNullable<PodSpec>;
  container: IContainer;
  args: string[];
}

const deployments = all<IDeployment>('Deployment');
const workloads = [...deployments, ...all<IJob>('Job')].map((one): Workload => {
  const pod = one.spec!.template.spec!;
  return {
    name: one.metadata.name,
    labels: one.spec!.template.metadata!.labels as Labels,
    pod,
    container: pod.containers[0]!,
    args: pod.containers[0]!.args!,
  };
});
const byName = workloads.map((one): [string, Workload] => [one.name, one]);
const stays = byName.filter(([name]) => deployments.some(({ metadata }) => metadata.name === name));

function selects(selector: Labels | undefined, labels: Labels): boolean {
  return Object.entries(selector ?? {}).every(([name, value]) => labels[name] === value);
}

const settings = all<IConfigMap>('ConfigMap')[0]!.data!;
const secrets = new Map(
  all<ISecret>('Secret').map(({ metadata, stringData }) => [metadata.name, stringData!]),
);

describe('selectors', () => {
  it.each(deployments.map((one): [string, IDeployment] => [one.metadata.name, one]))(
    '%s selects its own pods and no other’s',
    (name, { spec }) => {
      const found = workloads.filter(({ labels }) => selects(spec!.selector.matchLabels, labels));

      expect(found.map((one) => one.name)).toEqual([name]);
    },
  );

  it('of budgets, policies and spreads find pods', () => {
    const selectors = [
      ...all<IPodDisruptionBudget>('PodDisruptionBudget').map(({ spec }) => spec!.selector!),
      ...all<INetworkPolicy>('NetworkPolicy').map(({ spec }) => spec!.podSelector),
      ...workloads.flatMap(({ pod }) =>
        (pod.topologySpreadConstraints ?? []).map((one) => one.labelSelector!),
      ),
    ];

    expect(selectors.length).toBeGreaterThan(12);
    for (const { matchLabels } of selectors)
      expect([matchLabels, workloads.some(({ labels }) => selects(matchLabels, labels))]).toEqual([
        matchLabels,
        true,
      ]);
  });

  it('of the service finds what serves HTTP, at the port that the API listens on', () => {
    const [service] = all<IService>('Service');
    const found = workloads.filter(({ labels }) => selects(service!.spec!.selector, labels));

    expect(found.map(({ args }) => args[0])).toEqual(['api', 'service']);
    for (const { container } of found)
      for (const { targetPort } of service!.spec!.ports!)
        expect(container.ports!.find(({ name }) => name === targetPort)?.containerPort).toBe(
          Number(settings['PORT']),
        );
  });

  it('of autoscalers name deployments, one each, whose replicas nobody else sets', () => {
    const targets = [
      ...all<IScaledObject>('ScaledObject').map(({ spec }) => spec.scaleTargetRef.name),
      ...all<IHorizontalPodAutoscaler>('HorizontalPodAutoscaler').map(
        ({ spec }) => spec!.scaleTargetRef.name,
      ),
    ];
    const unset = deployments.filter(({ spec }) => spec!.replicas === undefined);

    expect(targets.sort()).toEqual(unset.map(({ metadata }) => metadata.name).sort());
  });
});

describe('settings', () => {
  const documented = read('docs/configuration.md');
  const exists = (variable: string): boolean =>
    new RegExp(`^\\| \`${variable}\``, 'm').test(documented) ||
    (variable.endsWith('_FILE') && documented.includes(`\`${variable}\``));

  it('are variables of docs/configuration.md, or Node’s own', () => {
    const given = workloads.flatMap(({ container }) => (container.env ?? []).map(({ name }) => name));

    for (const variable of [...Object.keys(settings), ...given].filter((name) => name !== 'NODE_OPTIONS'))
      expect([variable, exists(variable)]).toEqual([variable, true]);
    expect(exists('AFTERCOMMIT_NO_SUCH_SETTING')).toBe(false);
  });

  it('hold no secret: the example has placeholders only, and the rest names none', () => {
    for (const [name, values] of secrets)
      for (const [key, value] of Object.entries(values))
        expect([name, key, value.includes('REPLACE')]).toEqual([name, key, true]);
    expect(Object.keys(settings).filter((name) => /(TOKEN|KEY|SECRETS?|DATABASE_URL)$/.test(name))).toEqual(
      [],
    );
    expect(all<ISecret>('Secret').filter(({ data }) => data !== undefined)).toEqual([]);
  });

  describe('of each process are accepted by it', () => {
    const made = mkdtempSync(path.join(tmpdir(), 'aftercommit-manifests-'));
    afterAll(() => rmSync(made, { recursive: true }));
    const filled: Labels = {
      AFTERCOMMIT_API_KEYS: `shop:${'0'.repeat(64)}:admin`,
      AFTERCOMMIT_SECRETS_KEY: Buffer.alloc(32).toString('base64'),
      AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS: `whsec_${Buffer.alloc(32).toString('base64')}`,
    };

    /** Puts the secrets of the pod where its mounts put them, under a folder of ours. */
    function mount({ pod, container }: Workload, at: string): void {
      for (const { name, mountPath } of container.volumeMounts!) {
        const volume = pod.volumes!.find((one) => one.name === name)!;
        const sources =
          volume.secret?.secretName ?? volume.projected!.sources!.map(({ secret }) => secret!.name!);
        mkdirSync(path.join(at, mountPath), { recursive: true });
        for (const source of [sources].flat())
          for (const [key, value] of Object.entries(secrets.get(source)!))
            writeFileSync(path.join(at, mountPath, key), filled[key] ?? value);
      }
    }

    it.each(byName)('%s', (name, workload) => {
      const at = path.join(made, name);
      mount(workload, at);
      const own = (workload.container.env ?? []).map((one) => [one.name, one.value!]);
      const environment = Object.fromEntries(
        [...Object.entries(settings), ...own].map(([variable, value]) => [
          variable,
          value!.startsWith('/etc/aftercommit/') ? path.join(at, value!) : value,
        ]),
      ) as Labels;

      const config = readConfig(environment);

      const role = name.replace(/^aftercommit-(\w+).*/, '$1');
      const user = { migrate: 'owner', setup: 'worker' }[role] ?? role;
      expect(workload.container.envFrom).toEqual([{ configMapRef: { name: 'aftercommit-config' } }]);
      expect(new URL(config.databaseUrl).username).toBe(`aftercommit_${user}`);
      expect(new URL(config.databaseUrl).searchParams.get('sslmode')).toBe('verify-full');
      expect(config.temporal.tls?.clientKey?.toString()).toContain('REPLACE');
    });
  });
});

describe('processes', () => {
  const entrypoint = read('deploy/entrypoint.sh');
  const commands = [...entrypoint.matchAll(/[a-z-]+(?= \||\))/g)].map(([name]) => name);
  const compose = /image: (aftercommit:\S+)/.exec(read('docker-compose.yml'))![1]!;
  const rolesOf = (args: readonly string[]): string[] =>
    args.includes('--roles') ? args[args.indexOf('--roles') + 1]!.split(',') : Object.keys(TASK_QUEUES);

  const programs = readdirSync(path.join(root, 'src')).filter((file) => file.endsWith('.ts'));
  const text = programs.map((file) => read(path.join('src', file))).join('\n');
  /** A time that the programs state in seconds, or in thousands of milliseconds. */
  function secondsOf(pattern: RegExp): number {
    const found = pattern.exec(text)?.[1];
    if (found === undefined) throw new RangeError(`no program has ${pattern.source}`);
    return Number(found);
  }

  it.each(byName)('%s runs a command of the image, from the image of this version', (name, workload) => {
    const { container, args } = workload;

    expect(commands).toContain(args[0]);
    expect(container.image).toBe(`registry.example.com/${compose}`);
    if (/\d$/.test(name)) expect(name.endsWith(compose.split(':')[1]!.replaceAll('.', '-'))).toBe(true);
  });

  it.each(byName)(
    '%s cannot become root, write its disk, or talk to Kubernetes',
    (_name, { pod, container }) => {
      expect(pod.automountServiceAccountToken).toBe(false);
      expect(pod.securityContext).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(container.securityContext).toEqual({
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
      });
    },
  );

  it.each(byName)('%s asks for CPU and has a limit of memory above its heap', (_name, { container }) => {
    const { requests, limits } = container.resources!;
    const heapMb = /=(\d+)$/.exec(
      container.env?.find(({ name }) => name === 'NODE_OPTIONS')?.value ?? '=0',
    )![1];
    const unit = { Mi: 1, Gi: 1024 };
    const [, amount, name] = /^(\d+)(Mi|Gi)$/.exec(String(limits!['memory']))!;

    expect(Object.keys(requests!)).toEqual(['cpu', 'memory']);
    expect(limits!['cpu']).toBeUndefined();
    expect(Number(amount) * unit[name as keyof typeof unit]).toBeGreaterThan(Number(heapMb) * 1.25);
  });

  it.each(stays)('%s is watched at ports that it has', (_name, { container, args }) => {
    const { readinessProbe, livenessProbe, startupProbe, ports } = container;
    const asked = [readinessProbe, livenessProbe, startupProbe].flatMap((probe) => probe?.httpGet ?? []);
    const numbers = new Map(ports!.map(({ name, containerPort }) => [name, containerPort]));

    for (const { port } of asked) expect(numbers.has(String(port))).toBe(true);
    expect(numbers.get('metrics') ?? 9464).toBe(Number(settings['AFTERCOMMIT_METRICS_PORT']));
    if (args[0] === 'worker') {
      expect(readinessProbe!.exec!.command).toEqual(['aftercommit', 'worker-health', ...args.slice(1)]);
      expect(livenessProbe!.httpGet!.path).toBe('/metrics');
    } else {
      expect([readinessProbe, livenessProbe].map((probe) => probe!.httpGet!.path)).toEqual([
        '/readyz',
        '/healthz',
      ]);
    }
  });

  it.each(stays)('%s has more time to stop than it takes', (_name, { pod, container, args }) => {
    const apiSeconds = secondsOf(/DRAIN_MS = (\d+)_000;/);
    const workerSeconds = secondsOf(/SHUTDOWN_GRACE = '(\d+)s'/);
    const needed = { api: apiSeconds, worker: workerSeconds, service: apiSeconds + workerSeconds }[args[0]!]!;
    const before = Number(container.lifecycle?.preStop?.exec?.command?.[1] ?? 0);

    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(before + needed + 5);
  });

  it('take every role, in worker.yaml and in worker-versioned.yaml', () => {
    for (const file of ['worker.yaml', 'worker-versioned.yaml']) {
      const here = parsed
        .filter((one) => one.file === file)
        .map(({ document }) => document.toJS() as Manifest);
      const names = here.filter(({ kind }) => kind === 'Deployment').map(({ metadata }) => metadata.name);
      const roles = workloads.filter(({ name }) => names.includes(name)).flatMap(({ args }) => rolesOf(args));

      expect([file, roles.sort()]).toEqual([file, Object.keys(TASK_QUEUES).sort()]);
    }
  });

  it.each(all<IScaledObject>('ScaledObject').map((one): [string, IScaledObject] => [one.metadata.name, one]))(
    '%s scales by the backlog of queues that its workers poll',
    (_name, { spec }) => {
      const { args, container } = workloads.find(({ name }) => name === spec.scaleTargetRef.name)!;
      const temporal = spec.triggers.filter(({ type }) => type === 'temporal');
      const env = Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value]));
      const keys = all<ITriggerAuthentication>('TriggerAuthentication')[0]!;

      expect(temporal.length).toBeGreaterThan(0);
      for (const { metadata, authenticationRef } of temporal) {
        expect(authenticationRef?.name).toBe(keys.metadata.name);
        expect(rolesOf(args)).toContain(metadata['taskQueue']);
        // Exactly these: a misspelt one is ignored by KEDA. Source: https://keda.sh/docs/2.20/scalers/temporal/
        const { taskQueue, targetQueueSize, ...rest } = metadata;
        expect(targetQueueSize).toMatch(/^\d+$/);
        expect(rest).toEqual({
          endpoint: settings['TEMPORAL_ADDRESS'],
          namespace: settings['TEMPORAL_NAMESPACE'],
          queueTypes: taskQueue === TASK_QUEUES.publish ? 'activity' : 'workflow,activity',
          ...(env['TEMPORAL_WORKER_BUILD_ID'] === undefined
            ? {}
            : {
                workerDeploymentName: env['TEMPORAL_DEPLOYMENT_NAME'],
                workerDeploymentBuildId: env['TEMPORAL_WORKER_BUILD_ID'],
              }),
        });
      }
      for (const { name, key } of keys.spec.secretTargetRef!) expect(secrets.get(name)).toHaveProperty([key]);
    },
  );
});
