process.stdout.write(
  process.argv.includes('--version')
    ? '0.1.0\n'
    : JSON.stringify({ ready: true, checks: ['node', 'git', 'driver', 'memory'].map((id) => ({ id, state: 'ok' })) }),
);
