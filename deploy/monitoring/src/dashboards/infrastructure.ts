import { type Dashboard, graph, stat } from '../panel.ts';
import { avg, increase, matching, not, notMatching, rate, ratio, select, sum } from '../promql.ts';

const disks = { fstype: notMatching('tmpfs|overlay|squashfs') };
const containers = { container: not('POD'), name: not('') };

export const infrastructure: Dashboard = {
  id: 'infrastructure',
  title: 'Infrastructure',
  description: 'Nodes, containers, pods and PostgreSQL under the gateways.',
  variables: [],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Scrape targets down', {
          description: 'Gateways and exporters that Prometheus cannot reach.',
          unit: 'none',
          runbook: 'pod-down',
          queries: [[`sum(${select('up')} == bool 0)`, 'down']],
          thresholds: [[1, 'red']],
        }),
        stat('Pods not ready', {
          description: 'Pods that get no traffic.',
          unit: 'none',
          runbook: 'pod-not-ready',
          queries: [
            [`sum(${select('kube_pod_status_ready', { condition: 'true' })} == bool 0)`, 'not ready'],
          ],
          thresholds: [[1, 'red']],
        }),
        stat('Container restarts in an hour', {
          description: 'Restarts of containers. Not 0 without a deployment: a container crashes.',
          unit: 'none',
          runbook: 'pods-do-not-start',
          queries: [[sum(increase('kube_pod_container_status_restarts_total', '1h')), 'restarts']],
          thresholds: [[1, 'red']],
        }),
        stat('Busiest node', {
          description: 'Share of CPU time in use, of the busiest node.',
          unit: 'percentunit',
          runbook: 'high-cpu-usage',
          queries: [[`1 - min(${avg(rate('node_cpu_seconds_total', { mode: 'idle' }), 'instance')})`, 'CPU']],
          thresholds: [[0.9, 'red']],
        }),
        stat('Fullest disk', {
          description: 'Used share of the file system with the least space left.',
          unit: 'percentunit',
          runbook: 'storage-write-failing',
          queries: [
            [
              `1 - min(${ratio(select('node_filesystem_avail_bytes', disks), select('node_filesystem_size_bytes', disks))})`,
              'disk',
            ],
          ],
          thresholds: [
            [0.8, 'yellow'],
            [0.9, 'red'],
          ],
        }),
        stat('PostgreSQL', {
          description: 'Whether the exporter reaches the database.',
          unit: 'none',
          runbook: 'postgresql-down',
          queries: [[`min(${select('pg_up')})`, 'database']],
          mappings: { 0: 'down', 1: 'up' },
        }),
      ],
    },
    {
      title: 'Nodes',
      panels: [
        graph('CPU', {
          description: 'Share of CPU time in use, by node.',
          unit: 'percentunit',
          runbook: 'high-cpu-usage',
          queries: [
            [`1 - ${avg(rate('node_cpu_seconds_total', { mode: 'idle' }), 'instance')}`, '{{instance}}'],
          ],
          thresholds: [[0.9, 'red']],
        }),
        graph('Memory', {
          description: 'Used share of memory, by node.',
          unit: 'percentunit',
          runbook: 'high-memory-usage',
          queries: [
            [
              `1 - ${ratio(select('node_memory_MemAvailable_bytes'), select('node_memory_MemTotal_bytes'))}`,
              '{{instance}}',
            ],
          ],
          thresholds: [[0.9, 'red']],
        }),
        graph('Network', {
          description: 'Bytes per second, received and sent.',
          unit: 'Bps',
          runbook: 'high-latency',
          queries: [
            [
              sum(rate('node_network_receive_bytes_total', { device: not('lo') }), 'instance'),
              '{{instance}} received',
            ],
            [
              sum(rate('node_network_transmit_bytes_total', { device: not('lo') }), 'instance'),
              '{{instance}} sent',
            ],
          ],
        }),
        graph('Disk space left', {
          description: 'Free share of each file system.',
          unit: 'percentunit',
          runbook: 'storage-write-failing',
          queries: [
            [
              ratio(
                select('node_filesystem_avail_bytes', disks),
                select('node_filesystem_size_bytes', disks),
              ),
              '{{instance}} {{mountpoint}}',
            ],
          ],
        }),
        graph('Disk use', {
          description: 'Share of time in which a disk was busy.',
          unit: 'percentunit',
          runbook: 'postgresql-down',
          queries: [[rate('node_disk_io_time_seconds_total'), '{{instance}} {{device}}']],
        }),
        graph('Load', {
          description: 'Processes that run or wait for a core.',
          unit: 'none',
          runbook: 'high-cpu-usage',
          queries: [[select('node_load1'), '{{instance}}']],
        }),
      ],
    },
    {
      title: 'Containers and pods',
      panels: [
        graph('Container CPU', {
          description: 'Cores in use by each container.',
          unit: 'none',
          runbook: 'high-cpu-usage',
          queries: [
            [sum(rate('container_cpu_usage_seconds_total', containers), 'pod', 'name'), '{{pod}} {{name}}'],
          ],
        }),
        graph('Container memory', {
          description: 'Memory that the kernel cannot reclaim; at the limit, the container is killed.',
          unit: 'bytes',
          runbook: 'high-memory-usage',
          queries: [
            [
              sum(select('container_memory_working_set_bytes', containers), 'pod', 'name'),
              '{{pod}} {{name}}',
            ],
          ],
        }),
        graph('Container network', {
          description: 'Bytes per second, received and sent, by container.',
          unit: 'Bps',
          runbook: 'high-latency',
          queries: [
            [sum(rate('container_network_receive_bytes_total'), 'pod', 'name'), '{{pod}} {{name}} received'],
            [sum(rate('container_network_transmit_bytes_total'), 'pod', 'name'), '{{pod}} {{name}} sent'],
          ],
        }),
        graph('Pods ready', {
          description: '1 while a pod is ready.',
          unit: 'none',
          runbook: 'pod-not-ready',
          queries: [
            [
              sum(select('kube_pod_status_ready', { condition: 'true' }), 'namespace', 'pod'),
              '{{namespace}}/{{pod}}',
            ],
          ],
        }),
        graph('Waiting containers', {
          description:
            'Containers that do not start, by reason, such as CrashLoopBackOff or ImagePullBackOff.',
          unit: 'none',
          runbook: 'pods-do-not-start',
          queries: [
            [
              `${sum(select('kube_pod_container_status_waiting_reason'), 'pod', 'reason')} or vector(0)`,
              '{{pod}}: {{reason}}',
            ],
          ],
        }),
        graph('Restarts', {
          description: 'Restarts of containers since the pod was created.',
          unit: 'none',
          runbook: 'pods-do-not-start',
          queries: [
            [
              sum(select('kube_pod_container_status_restarts_total'), 'pod', 'container'),
              '{{pod}} {{container}}',
            ],
          ],
        }),
      ],
    },
    {
      title: 'PostgreSQL',
      panels: [
        graph('Connections', {
          description: 'Connections by state, and the number that the server allows.',
          unit: 'none',
          runbook: 'postgresql-down',
          queries: [
            [sum(select('pg_stat_activity_count'), 'state'), '{{state}}'],
            [`min(${select('pg_settings_max_connections')})`, 'allowed'],
          ],
        }),
        graph('Transactions', {
          description: 'Committed and rolled back transactions per second.',
          unit: 'ops',
          runbook: 'postgresql-down',
          queries: [
            [sum(rate('pg_stat_database_xact_commit')), 'committed'],
            [sum(rate('pg_stat_database_xact_rollback')), 'rolled back'],
          ],
        }),
        graph('Database size', {
          description: 'Size of all tenants’ databases together, and of the largest.',
          unit: 'bytes',
          runbook: 'storage-write-failing',
          queries: [
            [sum(select('pg_database_size_bytes', { datname: matching('.+') })), 'all'],
            [`max(${select('pg_database_size_bytes')})`, 'largest'],
          ],
        }),
      ],
    },
  ],
};
