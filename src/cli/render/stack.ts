import { type ServiceName, services } from '../../stack/services.ts';
import type { StackStatus, UpResult } from '../../stack/stack.ts';
import { cell, clean } from './cell.ts';
import { bytes, since } from './figures.ts';
import { type Look, mark } from './look.ts';

export function renderUp(done: UpResult, look: Look): string[] {
  const has = done.ran.flatMap(({ name, found }) =>
    found.problem === null
      ? [`  ${cell(services[name].title, 12)}${found.text}`]
      : [`  ${mark(look, 'warn')} ${services[name].title}: ${clean(found.problem)}`],
  );
  const link =
    done.grafana === null
      ? ['No Grafana here: metrics, logs and alerts are kept and can be asked, dashboards cannot be shown.']
      : [`Grafana  ${done.grafana.url}   user ${done.grafana.user}, password:  ralph-fleet telemetry password`];
  return [...has, ...renderMissing(done.missing, look), ...link];
}

function renderMissing(missing: UpResult['missing'], look: Look): string[] {
  return missing.flatMap(({ name, remedy }) => [
    `  ${mark(look, 'skip')} ${cell(services[name].title, 12)}not on this machine`,
    `      ${remedy}`,
  ]);
}

export function renderStack(found: StackStatus, look: Look): string[] {
  if (found.title === null) return ['The telemetry stack does not run.   ralph-fleet telemetry up'];
  const lines = found.services.map(({ name, state, ready, since: began, url, what, found: has, dataBytes }) => {
    const title = cell(services[name].title, 12);
    const size = dataBytes === null ? '' : `, ${bytes(dataBytes)} of data`;
    if (state !== 'running')
      return `  ${mark(look, 'fail')} ${title}${state === 'ended' ? 'has ended' : 'is not there'}${size}`;
    const says = ready ? (has?.problem ?? has?.text ?? '') : 'runs, and is not ready';
    const age = began === null ? '' : `for ${since(began, look.now)}`;
    return `  ${mark(look, ready ? 'ok' : 'wait')} ${title}${cell(age, 14)}${cell(url ?? '', 24)}${clean(says)}${size}   ${clean(what ?? '')}`;
  });
  return [
    found.title,
    ...lines,
    ...renderMissing(found.missing, look),
    ...scrapeLines(found, look),
    ...(found.ok ? [] : ['Start what is down:  ralph-fleet telemetry up']),
  ];
}

function scrapeLines({ scrape }: StackStatus, look: Look): string[] {
  if (scrape === null) return [];
  if (scrape.health === 'up')
    return [
      `  ${mark(look, 'ok')} metrics of the daemon, ${scrape.at === null ? 'just now' : `${since(scrape.at, look.now)} ago`}`,
    ];
  if (scrape.health === 'unknown') return [`  ${mark(look, 'wait')} metrics of the daemon: not asked for yet`];
  return [
    `  ${mark(look, 'warn')} metrics of the daemon: Prometheus cannot read them (${clean(scrape.error ?? 'no reason given')})`,
    '      ralph-fleet daemon start   (if it runs: `metrics.listen` in fleet.yaml is where it listens)',
  ];
}

export function renderDown(ended: readonly ServiceName[], purged: boolean): string[] {
  const what = ended.length === 0 ? 'Nothing ran.' : `Ended: ${ended.map((name) => services[name].title).join(', ')}.`;
  return [`${what} ${purged ? 'Its data is removed.' : 'Its data stays.   ralph-fleet telemetry up'}`];
}
