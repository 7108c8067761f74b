import { type Dashboard, goodToBad, logs, mean, metric, quantile } from './panel.ts';

export const vms: Dashboard = {
  uid: 'rf-vms',
  title: 'VMs and host',
  about: 'How VMs start and end, and whether this machine has room for them.',
  rows: [
    {
      title: 'VMs',
      panels: [
        {
          kind: 'bars',
          title: 'VMs by phase?',
          about: 'Long in one phase of starting: `ralph-fleet vm list` names the stage.',
          unit: 'short',
          queries: [metric('sum by (phase) (ralph_fleet_vms) > 0', '{{phase}}')],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'From start to ready?',
          about: 'A fork takes seconds, a boot under a minute (longer without hardware virtualisation).',
          unit: 's',
          queries: [
            quantile(0.5, 'ralph_fleet_vm_ready_seconds', { by: 'way', range: '1h' }),
            quantile(0.95, 'ralph_fleet_vm_ready_seconds', { by: 'way', range: '1h' }),
          ],
          width: 8,
        },
        {
          kind: 'bars',
          title: 'Which stage takes the time?',
          about: 'Mean of each stage of getting ready.',
          unit: 's',
          queries: [mean('ralph_fleet_vm_stage_seconds', 'stage', '1h')],
          width: 8,
        },
        {
          kind: 'bars',
          title: 'Do starts succeed?',
          about: 'Failures in a row: `ralph-fleet doctor`, and the console below.',
          unit: 'short',
          queries: [metric('sum by (way,result) (increase(ralph_fleet_vm_starts_total[1h]))', '{{way}} {{result}}')],
          width: 8,
        },
        {
          kind: 'bars',
          title: 'VMs that failed?',
          about: 'At any time of their life, in an hour.',
          unit: 'short',
          queries: [metric('sum by (purpose) (increase(ralph_fleet_vm_failures_total[1h]))', '{{purpose}}')],
          width: 8,
        },
        {
          kind: 'stat',
          title: 'Cannot be asked?',
          about:
            'VMs and guests in state unknown. Nothing is deleted meanwhile; `ralph-fleet doctor` tells which command fails.',
          unit: 'short',
          queries: [metric('sum by (kind) (ralph_fleet_unknown)', '{{kind}}')],
          steps: goodToBad(1, 3),
          width: 4,
        },
        {
          kind: 'stat',
          title: 'Oldest that is not ready?',
          about: 'How long the oldest VM has been on its way.',
          unit: 's',
          queries: [metric('max(ralph_fleet_vm_waiting_oldest_seconds)')],
          steps: goodToBad(120, 600),
          width: 4,
        },
      ],
    },
    {
      title: 'Host',
      panels: [
        {
          kind: 'lines',
          title: 'Memory: all, promised to VMs, available?',
          about: 'A VM that would not fit waits. Available near nothing: other programs take it.',
          unit: 'bytes',
          queries: [
            metric('max(ralph_fleet_host_memory_size_bytes)', 'all'),
            metric('max(ralph_fleet_host_memory_promised_bytes)', 'promised'),
            metric('max(ralph_fleet_host_memory_available_bytes)', 'available'),
          ],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Disk: what share is free?',
          about: 'Below a tenth no VM starts: `ralph-fleet image gc`, or more room.',
          unit: 'percentunit',
          queries: [
            metric(
              'max by (part) (ralph_fleet_host_disk_free_bytes) / max by (part) (ralph_fleet_host_disk_size_bytes)',
              '{{part}}',
            ),
          ],
          steps: ['red', [0.1, 'yellow'], [0.2, 'green']],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Does the host wait for cpu, memory, disk?',
          about: 'Share of time in which something waited (Linux pressure). Much memory: fewer or smaller VMs.',
          unit: 'percentunit',
          queries: [
            metric(
              'sum by (resource) (rate(ralph_fleet_host_pressure_seconds_total{kind="some"}[$__rate_interval]))',
              '{{resource}}',
            ),
          ],
          steps: goodToBad(0.3, 0.6),
          width: 8,
        },
        {
          kind: 'lines',
          title: 'VMs against what fits?',
          about: 'At the line, the next one waits.',
          unit: 'short',
          queries: [metric('sum(ralph_fleet_vms)', 'VMs'), metric('max(ralph_fleet_vm_capacity)', 'room for')],
          width: 8,
        },
        {
          kind: 'logs',
          title: 'What do the consoles say?',
          about: 'The serial consoles of all VMs.',
          queries: [logs('{service_name="ralph-fleet", stream="console"}')],
          width: 16,
        },
      ],
    },
  ],
};
