import { type Dashboard, goodToBad, logs, metric, quantile, traces } from './panel.ts';

const ofRalph = '| ralph=~"$ralph"';

export const ralph: Dashboard = {
  uid: 'rf-ralph',
  title: 'Ralph',
  about: 'One Ralph: what it does, what it said, and why its task took so long.',
  variables: [
    { name: 'ralph', label: 'Ralph', values: 'label_values(ralph_fleet_ralph_phase_code, ralph)', multi: true },
    { name: 'task', label: 'Task', default: 'T1' },
  ],
  rows: [
    {
      title: 'Now',
      panels: [
        {
          kind: 'stat',
          title: 'Silent for?',
          about:
            'Since the last output of its iteration. It is stopped by itself at `limits.silenceMinutes`; `ralph-fleet attach RALPH` shows it.',
          unit: 's',
          queries: [
            metric(
              'time() - max by (ralph) (ralph_fleet_iteration_last_output_timestamp_seconds{ralph=~"$ralph"})',
              '{{ralph}}',
            ),
          ],
          steps: goodToBad(300, 720),
          width: 8,
        },
        {
          kind: 'stat',
          title: 'Work not on the host for?',
          about: 'Work is brought to the host every few minutes. Long: look at the disk and at `ralph-fleet doctor`.',
          unit: 's',
          queries: [
            metric(
              'time() - max by (ralph) (ralph_fleet_unsaved_since_timestamp_seconds{ralph=~"$ralph"})',
              '{{ralph}}',
            ),
          ],
          steps: goodToBad(900, 3600),
          width: 8,
        },
        {
          kind: 'lines',
          title: 'How long do iterations take?',
          about: 'Of all Ralphs of a role; near the limit (`agent.iterationTimeoutMinutes`) they are cut off.',
          unit: 's',
          queries: [
            quantile(0.5, 'ralph_fleet_iteration_seconds', { by: 'role', range: '1h' }),
            quantile(0.9, 'ralph_fleet_iteration_seconds', { by: 'role', range: '1h' }),
          ],
          width: 8,
        },
        {
          kind: 'states',
          title: 'What did it do when?',
          about: 'One band per Ralph chosen above.',
          queries: [metric('max by (ralph) (ralph_fleet_ralph_phase_code{ralph=~"$ralph"})', '{{ralph}}')],
          width: 24,
          height: 6,
        },
      ],
    },
    {
      title: 'Logs',
      panels: [
        {
          kind: 'logs',
          title: 'What did it say and do?',
          about: 'The agent’s own stream, as kept on the host. The same: `ralph-fleet logs RALPH`.',
          queries: [logs(`{service_name="ralph-fleet", stream="iteration"} ${ofRalph}`)],
          width: 24,
          height: 12,
        },
        {
          kind: 'logs',
          title: 'What did the controller do about its task?',
          about: 'Lines of daemon and gateway that name the task above.',
          queries: [logs('{service_name="ralph-fleet", stream=~"daemon|gateway"} | task="$task"')],
          width: 12,
        },
        {
          kind: 'logs',
          title: 'What did its VM’s console show?',
          about: 'Serial console, of all VMs: a kernel that dies says so here.',
          queries: [logs('{service_name="ralph-fleet", stream="console"}')],
          width: 12,
        },
      ],
    },
    {
      title: 'Time',
      panels: [
        {
          kind: 'traces',
          title: 'Why did the task take so long?',
          about:
            'All its traces; open one to see iterations, model calls, checks and review as they followed each other.',
          queries: [traces('{ span.ralph_fleet.task.id = "$task" }')],
          width: 12,
        },
        {
          kind: 'traces',
          title: 'Which model calls were slow?',
          about: 'Above 30 s, of the task above.',
          queries: [
            traces('{ span.ralph_fleet.task.id = "$task" && span.gen_ai.operation.name = "chat" && duration > 30s }'),
          ],
          width: 12,
        },
      ],
    },
  ],
};
