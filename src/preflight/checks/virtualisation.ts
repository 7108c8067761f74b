import type { PreflightCheck } from '../preflight.ts';

/** Whether the driver's daemon answers. The probe may start something, hence the long deadline. */
export const driverCheck: PreflightCheck = {
  id: 'driver',
  title: 'driver',
  why: 'it makes and starts the VMs',
  deadlineMs: 60_000,
  async run(ctx) {
    const driver = await ctx.driver();
    const probe = await driver.probe();
    const name = probe.version?.includes(driver.name) ? probe.version : `${driver.name} ${probe.version ?? ''}`.trim();
    if (probe.available) return { state: 'ok', found: `${name}, wall \`${driver.wall}\`` };
    const whats = probe.problems.map((problem) => problem.what).join('; ') || 'not available';
    const remedies = [...new Set(probe.problems.map((problem) => problem.remedy))].join('   and   ');
    return { state: 'fail', found: `${driver.name}: ${whats}`, remedy: remedies || ctx.setupCommand };
  },
};

export const accelerationCheck: PreflightCheck = {
  id: 'acceleration',
  title: 'virtualisation',
  why: 'in hardware a VM starts about ten times faster',
  deadlineMs: 60_000,
  async run(ctx) {
    const driver = await ctx.driver().catch(() => null); // the driver's own check says why
    if (driver === null) return { state: 'skip', found: 'unknown without a driver' };
    const { available, accel, problems } = await driver.probe();
    if (accel === 'kvm' || accel === 'hvf')
      return { state: 'ok', found: `in hardware (${accel}), proved by starting a guest` };
    if (accel === null)
      return { state: 'skip', found: available ? 'unknown' : 'unknown while the driver does not answer' };
    const remedy = problems[0]?.remedy;
    const found = 'none in hardware: software emulation, starts are about 10x slower';
    return { state: 'warn', found, ...(remedy === undefined ? {} : { remedy }) };
  },
};

export const imageCheck: PreflightCheck = {
  id: 'image',
  title: 'image builder',
  why: 'it makes the disk every VM starts from',
  deadlineMs: 30_000,
  async run(ctx) {
    const builder = await ctx.builder();
    const { available, problems } = await builder.probe();
    if (available) return { state: 'ok', found: builder.name };
    const whats = problems.map((problem) => problem.what).join('; ') || 'cannot build here';
    const remedies = [...new Set(problems.map((problem) => problem.remedy))].join('   and   ');
    return { state: 'fail', found: `${builder.name}: ${whats}`, remedy: remedies || ctx.setupCommand };
  },
};
