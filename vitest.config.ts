import { defineConfig } from 'vitest/config';

// `unit` is quick and pure; `real` uses real parts (virsh, QEMU, git, jj, the agent CLI) and runs one file at a time.
export default defineConfig({
  test: {
    projects: [
      {
        // Pure tests of modules without state: one set of threads serves all files, at a quarter of the time.
        test: { name: 'unit', include: ['src/**/*.test.ts'], testTimeout: 20_000, pool: 'threads', isolate: false },
      },
      {
        test: {
          name: 'real',
          include: ['test/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
