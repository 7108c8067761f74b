import { type Dashboard, goodToBad, metric, quantile } from './panel.ts';

export const gas: Dashboard = {
  uid: 'rf-gas',
  title: 'Gas',
  about: 'What it costs, for whom and by which model, and when the budget will be gone. Dollars are list prices.',
  rows: [
    {
      title: 'Budget',
      panels: [
        {
          kind: 'rows',
          title: 'How much of each budget is used?',
          about: 'Settled and reserved, as a share. `ralph-fleet budget show` has the same, `budget set` changes it.',
          unit: 'percentunit',
          queries: [metric('max by (scope,name,unit) (ralph_fleet_budget_used_ratio)')],
          steps: goodToBad(0.8, 1),
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Settled, reserved, limit (USD)?',
          about: 'Of the whole fleet. Reserved is the worst case of the calls that are open.',
          unit: 'currencyUSD',
          queries: [
            metric('sum(ralph_fleet_budget_usd_settled{scope="fleet"})', 'settled'),
            metric('sum(ralph_fleet_budget_usd_reserved{scope="fleet"})', 'reserved'),
            metric('sum(ralph_fleet_budget_usd_limit{scope="fleet"})', 'limit'),
          ],
          width: 8,
        },
        {
          kind: 'stat',
          title: 'At this rate, gone in?',
          about: 'By the last hour. Nothing while nothing is spent.',
          unit: 's',
          queries: [
            metric(
              'min((1 - ralph_fleet_budget_used_ratio{scope="fleet"}) / (deriv(ralph_fleet_budget_used_ratio{scope="fleet"}[1h]) > 0))',
            ),
          ],
          steps: ['red', [3600, 'yellow'], [14_400, 'green']],
          width: 4,
        },
        {
          kind: 'stat',
          title: 'Calls while idle (must be 0)?',
          about: 'Anything else is a fault: attach `ralph-fleet report --json` to a bug report.',
          unit: 'short',
          queries: [metric('sum(increase(ralph_fleet_idle_model_requests_total[$__range])) or vector(0)')],
          steps: ['green', [0.5, 'red']],
          width: 4,
        },
        {
          kind: 'lines',
          title: 'Subscription: how full is each window?',
          about: 'At `limits.keepFreeOfUsageWindow` below 100 % Ralphs park and leave you the rest.',
          unit: 'percentunit',
          queries: [
            metric('max by (provider,window) (ralph_fleet_usage_window_used_ratio)', '{{provider}} {{window}}'),
          ],
          steps: goodToBad(0.8, 0.9),
          width: 8,
        },
        {
          kind: 'stat',
          title: 'Next reset of a window?',
          about: 'Parked Ralphs go on by themselves then.',
          unit: 's',
          queries: [
            metric(
              'min by (provider,window) (ralph_fleet_usage_window_reset_timestamp_seconds) - time()',
              '{{provider}} {{window}}',
            ),
          ],
          width: 4,
        },
        {
          kind: 'stat',
          title: 'Usage limits that hold?',
          about: 'The provider said wait; nothing is lost and no attempt is counted.',
          unit: 'short',
          queries: [metric('sum(ralph_fleet_usage_limits) or vector(0)')],
          steps: goodToBad(1, 3),
          width: 4,
        },
        {
          kind: 'lines',
          title: 'Each project’s spending (USD)?',
          about: 'Settled in the present period.',
          unit: 'currencyUSD',
          queries: [metric('sum by (name) (ralph_fleet_budget_usd_settled{scope="project"})', '{{name}}')],
          width: 8,
        },
      ],
    },
    {
      title: 'Tokens and money',
      panels: [
        {
          kind: 'lines',
          title: 'Dollars an hour, by model?',
          about: 'List price; what a subscription covers is counted too.',
          unit: 'currencyUSD',
          queries: [
            metric('sum by (model) (rate(ralph_fleet_model_cost_usd_total[$__rate_interval])) * 3600', '{{model}}'),
          ],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Tokens a minute, by type?',
          about: 'Much uncached input: contexts do not stay equal from call to call.',
          unit: 'short',
          queries: [metric('sum by (type) (rate(ralph_fleet_model_tokens_total[$__rate_interval])) * 60', '{{type}}')],
          width: 8,
        },
        {
          kind: 'stat',
          title: 'Share of input read from cache?',
          about: 'Higher is cheaper. Below a third with long iterations: look at the agent’s settings.',
          unit: 'percentunit',
          queries: [
            metric(
              'sum(increase(ralph_fleet_model_tokens_total{type="cache_read"}[$__range])) / sum(increase(ralph_fleet_model_tokens_total{type=~"input|cache_read|cache_write"}[$__range]))',
            ),
          ],
          steps: ['yellow', [0.3, 'green']],
          width: 4,
        },
        {
          kind: 'stat',
          title: 'Dollars per merged change?',
          about: 'All spending of the time shown, over the changes merged in it.',
          unit: 'currencyUSD',
          queries: [
            metric(
              'sum(increase(ralph_fleet_model_cost_usd_total[$__range])) / sum(increase(ralph_fleet_tasks_finished_total{result=~"merged|pr_open"}[$__range]))',
            ),
          ],
          width: 4,
        },
      ],
    },
    {
      title: 'Model API',
      panels: [
        {
          kind: 'bars',
          title: 'Calls that went up, by result?',
          about: 'Failures in a row: the provider’s status page, then `ralph-fleet credential show`.',
          unit: 'short',
          queries: [
            metric(
              'sum by (role,result) (increase(ralph_fleet_model_requests_total[$__rate_interval]))',
              '{{role}} {{result}}',
            ),
          ],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Time to the first byte of an answer?',
          about: 'The provider’s own time; median and slowest twentieth.',
          unit: 's',
          queries: [
            quantile(0.5, 'ralph_fleet_gateway_first_byte_seconds', { by: 'provider' }),
            quantile(0.95, 'ralph_fleet_gateway_first_byte_seconds', { by: 'provider' }),
          ],
          width: 8,
        },
        {
          kind: 'bars',
          title: 'Calls the gateway refused, by reason?',
          about: 'tokens, usd, calls: a budget is used up. token-…: a guest used a token that is not its own or over.',
          unit: 'short',
          queries: [
            metric('sum by (reason) (increase(ralph_fleet_gateway_refusals_total[$__rate_interval]))', '{{reason}}'),
          ],
          width: 8,
        },
        {
          kind: 'stat',
          title: 'Credentials usable?',
          about: '0: `ralph-fleet credential show` says why.',
          unit: 'short',
          queries: [metric('min by (provider) (ralph_fleet_credential_usable)', '{{provider}}')],
          steps: ['red', [1, 'green']],
          width: 8,
        },
        {
          kind: 'stat',
          title: 'Agents that tell other tokens than were metered?',
          about:
            'Iterations in the time shown, where traces are on. The meter counts; what an agent says is only compared. The trace has both: `{ span.ralph_fleet.said.differs = true }`.',
          unit: 'short',
          queries: [metric('sum(increase(ralph_fleet_agent_usage_compared_total{result="differs"}[$__range]))')],
          steps: goodToBad(1, 5),
          width: 8,
        },
      ],
    },
  ],
};
