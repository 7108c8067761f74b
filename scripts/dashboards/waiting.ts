import { type Dashboard, goodToBad, mean, metric, project, quantile } from './panel.ts';

export const waiting: Dashboard = {
  uid: 'rf-waiting',
  title: 'Waiting for you',
  about: 'What only a person can move, how long it has waited, and how long you usually let it wait.',
  variables: [project],
  rows: [
    {
      title: 'Now',
      panels: [
        {
          kind: 'rows',
          title: 'What waits, by project?',
          about:
            'awaiting_approval: `ralph-fleet approve`; needs_input: `ralph-fleet task answer`; failed, stalled, blocked: `ralph-fleet why TASK`.',
          unit: 'short',
          queries: [
            metric(
              'sum by (project,phase) (ralph_fleet_tasks{project=~"$project",phase=~"awaiting_approval|needs_input|stalled|blocked|failed"}) > 0',
            ),
          ],
          steps: goodToBad(3, 10),
          width: 12,
        },
        {
          kind: 'rows',
          title: 'How long has the oldest of each waited?',
          about: 'Over all projects.',
          unit: 's',
          queries: [
            metric(
              'max by (phase) (ralph_fleet_task_oldest_seconds{phase=~"awaiting_approval|needs_input|stalled|blocked|failed"}) > 0',
            ),
          ],
          steps: goodToBad(3600, 14_400),
          width: 6,
        },
        {
          kind: 'stat',
          title: 'Raised by agents, not looked at?',
          about: 'Flags of high importance: `ralph-fleet status`, then `ralph-fleet task seen TASK`.',
          unit: 'short',
          queries: [metric('max(ralph_fleet_flags_unseen)')],
          steps: goodToBad(1, 3),
          width: 6,
        },
      ],
    },
    {
      title: 'Over time',
      panels: [
        {
          kind: 'lines',
          title: 'How many wait for approval?',
          about: 'At `limits.reviewsWaiting` no new task begins.',
          unit: 'short',
          queries: [
            metric(
              'sum by (project) (ralph_fleet_tasks{phase="awaiting_approval",project=~"$project"})',
              '{{project}}',
            ),
          ],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'How long do you take to decide?',
          about: 'Time tasks spent in awaiting_approval when they left it: median and slowest tenth.',
          unit: 's',
          queries: [
            quantile(0.5, 'ralph_fleet_task_phase_seconds', { selector: '{phase="awaiting_approval"}', range: '24h' }),
            quantile(0.9, 'ralph_fleet_task_phase_seconds', { selector: '{phase="awaiting_approval"}', range: '24h' }),
          ],
          width: 8,
        },
        {
          kind: 'bars',
          title: 'What do you decide?',
          about: 'Many rejected: the acceptance checks do not say what you want.',
          unit: 'short',
          queries: [metric('sum by (decision) (increase(ralph_fleet_approvals_total[1h]))', '{{decision}}')],
          width: 8,
        },
        {
          kind: 'bars',
          title: 'Did the pings go out?',
          about: 'failed: the channel in `notify` of fleet.yaml does not work.',
          unit: 'short',
          queries: [
            metric('sum by (channel,result) (increase(ralph_fleet_notifications_total[1h]))', '{{channel}} {{result}}'),
          ],
          width: 12,
        },
        {
          kind: 'bars',
          title: 'How long are tasks parked?',
          about: 'Mean time in each phase in which nothing happens.',
          unit: 's',
          queries: [mean('ralph_fleet_task_phase_seconds', 'phase', '24h')],
          width: 12,
        },
      ],
    },
  ],
};
