import { defineConfig } from 'vitest/config';

// `unit` is quick and pure; `real` uses real parts (git, jj, tmux, ssh, the agent CLI), `vms` real virsh and QEMU, `chaos` VMs without a
// guest and all that may happen to them, each one file at a time; `simulation` runs the control plane on its seeds; `walk` walks the whole
// way in real VMs, many minutes a file.
export default defineConfig({
  test: {
    projects: [
      {
        // Pure tests of modules without state: one set of threads serves all files, at a quarter of the time.
        test: { name: 'unit', include: ['src/**/*.test.ts'], testTimeout: 60_000, pool: 'threads', isolate: false },
      },
      {
        test: {
          name: 'real',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/simulation/**', 'test/vms/**', 'test/chaos/**'],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      { test: { name: 'simulation', include: ['test/simulation/**/*.test.ts'], testTimeout: 600_000 } },
      {
        test: {
          name: 'vms',
          include: ['test/vms/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: 'chaos',
          include: ['test/chaos/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: 'walk',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
