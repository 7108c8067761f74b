import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as grafana from '@grafana/grafana-foundation-sdk/dashboard';
import * as logsPanel from '@grafana/grafana-foundation-sdk/logs';
import * as loki from '@grafana/grafana-foundation-sdk/loki';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as statetimeline from '@grafana/grafana-foundation-sdk/statetimeline';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as tempo from '@grafana/grafana-foundation-sdk/tempo';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import { ralphPhases } from '../../src/domain/ralph-phase.ts';
import { annotations } from './annotations.ts';
import type { Dashboard, Panel, Query, Steps, Variable } from './panel.ts';

const sources = {
  prometheus: { type: 'prometheus', uid: 'rf-prometheus' },
  loki: { type: 'loki', uid: 'rf-loki' },
  tempo: { type: 'tempo', uid: 'rf-tempo' },
} as const;
const tag = 'ralph-fleet';

/** Grafana's classic JSON of a dashboard, as file provisioning takes it. */
export function buildDashboard(dashboard: Dashboard): grafana.Dashboard {
  const builder = new grafana.DashboardBuilder(dashboard.title)
    .uid(dashboard.uid)
    .description(dashboard.about)
    .tags([tag])
    .readonly()
    .refresh('15s')
    .time({ from: 'now-6h', to: 'now' })
    .tooltip(grafana.DashboardCursorSync.Crosshair)
    .link(
      new grafana.DashboardLinkBuilder('ralph-fleet')
        .type(grafana.DashboardLinkType.Dashboards)
        .tags([tag])
        .keepTime(true)
        .includeVars(true),
    );
  for (const one of dashboard.variables ?? []) builder.withVariable(variable(one));
  for (const one of annotations) {
    const annotation = new grafana.AnnotationQueryBuilder()
      .name(one.name)
      .datasource(sources[one.query.source])
      .enable(true)
      .iconColor(one.colour)
      .expr(one.query.expr)
      .titleFormat(one.title);
    builder.annotation(one.atValue ? annotation.useValueForTime(true) : annotation);
  }
  for (const { title, panels } of dashboard.rows) {
    builder.withRow(new grafana.RowBuilder(title));
    for (const one of panels) builder.withPanel(panel(one));
  }
  return builder.build();
}

function variable({ name, label, values, multi, default: typed }: Variable): Builder<grafana.VariableModel> {
  if (values === undefined) {
    const builder = new grafana.TextBoxVariableBuilder(name).label(label);
    return typed === undefined ? builder : builder.defaultValue(typed);
  }
  return new grafana.QueryVariableBuilder(name)
    .label(label)
    .datasource(sources.prometheus)
    .query(values)
    .refresh(grafana.VariableRefresh.OnTimeRangeChanged)
    .sort(grafana.VariableSort.AlphabeticalAsc)
    .multi(multi === true)
    .includeAll(true)
    .allValue('.*')
    .current({ selected: true, text: 'All', value: '$__all' });
}

function panel(spec: Panel): Builder<grafana.Panel> {
  const { kind, unit, steps } = spec;
  if (kind === 'logs') {
    const builder = new logsPanel.PanelBuilder().showTime(true).wrapLogMessage(true).enableLogDetails(true);
    return frame(builder, spec);
  }
  const shown = {
    stat: () =>
      new stat.PanelBuilder()
        .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
        .colorMode(common.BigValueColorMode.Value)
        .graphMode(common.BigValueGraphMode.Area),
    lines: () => new timeseries.PanelBuilder().fillOpacity(5).showPoints(common.VisibilityMode.Never),
    bars: () =>
      new timeseries.PanelBuilder()
        .drawStyle(common.GraphDrawStyle.Bars)
        .fillOpacity(60)
        .stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal)),
    states: () => new statetimeline.PanelBuilder().mergeValues(true).mappings(phaseNames()),
    rows: () => new table.PanelBuilder(),
    traces: () => new table.PanelBuilder(),
  }[kind]();
  shown.noValue('–');
  if (unit !== undefined) shown.unit(unit);
  if (steps !== undefined) shown.thresholds(thresholds(steps));
  if (kind === 'states' || steps !== undefined)
    shown.colorScheme(new grafana.FieldColorBuilder().mode(grafana.FieldColorModeId.Thresholds));
  if (spec.link !== undefined) shown.dataLinks([new grafana.DashboardLinkBuilder(spec.link.title).url(spec.link.url)]);
  return frame(shown, spec);
}

/** What all kinds of panels have. */
interface Frame extends Builder<grafana.Panel> {
  title(text: string): this;
  description(text: string): this;
  datasource(source: common.DataSourceRef): this;
  span(columns: number): this;
  height(rows: number): this;
  withTarget(target: Builder<Dataquery>): this;
}

function frame<T extends Frame>(builder: T, { title, about, kind, width = 8, height, queries }: Panel): T {
  const [first] = queries;
  if (first === undefined) throw new Error(`The panel "${title}" asks nothing`);
  builder
    .title(title)
    .description(about)
    .datasource(sources[first.source])
    .span(width)
    .height(height ?? (kind === 'stat' ? 4 : 8));
  queries.forEach((query, at) => {
    builder.withTarget(target(query, String.fromCharCode(65 + at), kind));
  });
  return builder;
}

function target(query: Query, refId: string, kind: Panel['kind']): Builder<Dataquery> {
  if (query.source === 'tempo') {
    return new tempo.DataqueryBuilder()
      .refId(refId)
      .datasource(sources.tempo)
      .queryType('traceql')
      .query(query.expr)
      .limit(50)
      .tableType(tempo.SearchTableType.Traces);
  }
  if (query.source === 'loki')
    return new loki.DataqueryBuilder().refId(refId).datasource(sources.loki).expr(query.expr);
  const asked = new prometheus.DataqueryBuilder().refId(refId).datasource(sources.prometheus).expr(query.expr);
  if (query.legend !== undefined) asked.legendFormat(query.legend);
  return kind === 'rows' ? asked.instant().format(prometheus.PromQueryFormat.Table) : asked.range();
}

function thresholds([first, ...rest]: Steps): Builder<grafana.ThresholdsConfig> {
  const all = [[null, first] as const, ...rest];
  return new grafana.ThresholdsConfigBuilder()
    .mode(grafana.ThresholdsMode.Absolute)
    .steps(all.map(([value, color]) => ({ value, color })));
}

const phaseColours = {
  idle: 'text',
  starting: 'blue',
  working: 'green',
  waiting: 'yellow',
  parked: 'orange',
  unknown: 'red',
};

/** The numbers of `ralph_phase_code` as words. */
function phaseNames(): grafana.ValueMapping[] {
  const options = Object.fromEntries(
    ralphPhases.map((phase, code) => [String(code), { text: phase, color: phaseColours[phase], index: code }]),
  );
  return [{ type: grafana.MappingType.ValueToText, options }];
}
