import { type Dashboard, goodToBad, logs, mean, metric, project, quantile } from './panel.ts';

export const fleet: Dashboard = {
  uid: 'rf-fleet',
  title: 'Fleet',
  about: 'What needs you, what every Ralph does and since when, and how the work gets on.',
  variables: [project],
  rows: [
    {
      title: 'Needs you',
      panels: [
        {
          kind: 'stat',
          title: 'Changes that wait for your approval?',
          about: 'Verified and reviewed. `ralph-fleet status` lists them, `ralph-fleet approve TASK` shows one.',
          unit: 'short',
          queries: [metric('sum(ralph_fleet_tasks{phase="awaiting_approval",project=~"$project"}) or vector(0)')],
          steps: goodToBad(1, 5),
          width: 4,
          link: { title: 'Waiting for you', url: '/d/rf-waiting' },
        },
        {
          kind: 'stat',
          title: 'Oldest of them?',
          about: 'How long the oldest verified change has waited, over all projects.',
          unit: 's',
          queries: [metric('max(ralph_fleet_task_oldest_seconds{phase="awaiting_approval"})')],
          steps: goodToBad(3600, 14_400),
          width: 4,
        },
        {
          kind: 'stat',
          title: 'Questions of Ralphs?',
          about: 'They do nothing until you answer: `ralph-fleet task answer TASK`.',
          unit: 'short',
          queries: [metric('sum(ralph_fleet_tasks{phase="needs_input",project=~"$project"}) or vector(0)')],
          steps: goodToBad(1, 3),
          width: 4,
        },
        {
          kind: 'stat',
          title: 'Alerts that fire?',
          about: 'Each says what to do. `ralph-fleet status` shows them too.',
          unit: 'short',
          queries: [
            metric('count(ALERTS{alertstate="firing",alertname=~"RalphFleet.+",severity!="info"}) or vector(0)'),
          ],
          steps: goodToBad(1, 3),
          width: 4,
        },
        {
          kind: 'stat',
          title: 'Spent in 24 hours?',
          about: 'At list price, whether billed or covered by a subscription.',
          unit: 'currencyUSD',
          queries: [metric('sum(increase(ralph_fleet_model_cost_usd_total[24h])) or vector(0)')],
          width: 4,
          link: { title: 'Gas', url: '/d/rf-gas' },
        },
        {
          kind: 'stat',
          title: 'Budget used?',
          about:
            'Of the present period, with what open calls may still cost. At 100 % calls are refused: `ralph-fleet budget set`.',
          unit: 'percentunit',
          queries: [metric('max(ralph_fleet_budget_used_ratio{scope="fleet"})')],
          steps: goodToBad(0.8, 1),
          width: 4,
        },
      ],
    },
    {
      title: 'Ralphs',
      panels: [
        {
          kind: 'states',
          title: 'What does each Ralph do, and since when?',
          about: 'One band per Ralph. Long parked or unknown: `ralph-fleet why TASK`.',
          queries: [metric('max by (ralph) (ralph_fleet_ralph_phase_code)', '{{ralph}}')],
          width: 24,
          height: 9,
          // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in
          link: { title: 'This Ralph', url: '/d/rf-ralph?var-ralph=${__field.name}' },
        },
        {
          kind: 'bars',
          title: 'Ralphs by what they do?',
          about: 'Many idle with tasks that are ready: `ralph-fleet plan` says what they wait for.',
          unit: 'short',
          queries: [metric('sum by (phase) (ralph_fleet_ralphs)', '{{phase}}')],
          width: 8,
        },
        {
          kind: 'bars',
          title: 'Tasks by phase?',
          about: 'What grows here is where the work is held up.',
          unit: 'short',
          queries: [metric('sum by (phase) (ralph_fleet_tasks{project=~"$project"})', '{{phase}}')],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Tokens a minute, by role?',
          about: 'Nothing while no Ralph works. A flat line beside working Ralphs: the model does not answer.',
          unit: 'short',
          queries: [metric('sum by (role) (rate(ralph_fleet_model_tokens_total[$__rate_interval])) * 60', '{{role}}')],
          width: 8,
        },
      ],
    },
    {
      title: 'Work',
      panels: [
        {
          kind: 'bars',
          title: 'Tasks finished in an hour?',
          about: 'By how they ended.',
          unit: 'short',
          queries: [
            metric(
              'sum by (result) (increase(ralph_fleet_tasks_finished_total{project=~"$project"}[1h]))',
              '{{result}}',
            ),
          ],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'From submission to merged?',
          about: 'Median and the slowest tenth. Where the time goes is beside it.',
          unit: 's',
          queries: [
            quantile(0.5, 'ralph_fleet_task_lead_time_seconds', { range: '6h' }),
            quantile(0.9, 'ralph_fleet_task_lead_time_seconds', { range: '6h' }),
          ],
          width: 8,
        },
        {
          kind: 'bars',
          title: 'Where does the time of a task go?',
          about: 'Mean time in each phase. Long in ready: too few Ralphs; in awaiting_approval: you.',
          unit: 's',
          queries: [mean('ralph_fleet_task_phase_seconds', 'phase', '6h')],
          width: 8,
        },
        {
          kind: 'bars',
          title: 'How do iterations end?',
          about: 'Much stuck or crashed: look at the task’s prompt and checks; infra: at the VMs.',
          unit: 'short',
          queries: [
            metric('sum by (outcome) (increase(ralph_fleet_iterations_total[$__rate_interval]))', '{{outcome}}'),
          ],
          width: 8,
        },
        {
          kind: 'bars',
          title: 'Do the checks pass?',
          about: 'Runs of acceptance checks by result. `infra`: they could not be run.',
          unit: 'short',
          queries: [
            metric(
              'sum by (kind,result) (increase(ralph_fleet_checks_total[$__rate_interval]))',
              '{{kind}} {{result}}',
            ),
          ],
          width: 8,
        },
        {
          kind: 'bars',
          title: 'What do reviews say?',
          about: 'Many inconclusive: the reviewer’s VM or model fails.',
          unit: 'short',
          queries: [metric('sum by (verdict) (increase(ralph_fleet_reviews_total[1h]))', '{{verdict}}')],
          width: 8,
        },
        {
          kind: 'logs',
          title: 'What went wrong?',
          about: 'Warnings and errors of the daemon and the gateway.',
          queries: [logs('{service_name="ralph-fleet", stream=~"daemon|gateway"} | level=~"warn|error|fatal"')],
          width: 24,
        },
      ],
    },
  ],
};
