import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The real Claude Code CLI, one version; proprietary, so it is installed by npm outside the repository and never kept in it. */
export const claudeVersion = '2.1.329';

export function installClaude(): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const folder = join(cache, 'ralph-fleet-tests', `claude-code-${claudeVersion}`);
  const file = join(folder, 'node_modules', '.bin', 'claude');
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    const wanted = `@anthropic-ai/claude-code@${claudeVersion}`;
    execFileSync('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', wanted], { stdio: 'ignore' });
  }
  return file;
}

export interface ClaudeRun {
  pid: number;
  ended: Promise<{ exitCode: number | null; result: Record<string, unknown>; stdout: string; stderr: string }>;
}

export function startClaude(
  file: string,
  run: { home: string; cwd: string; url: string; token: string; prompt: string },
): ClaudeRun {
  const argv = ['-p', run.prompt, '--output-format', 'json', '--max-turns', '5', '--model', 'claude-sonnet-4-5'];
  const child = spawn(file, [...argv, '--dangerously-skip-permissions'], {
    cwd: run.cwd,
    env: claudeEnvironment(run),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  const ended = new Promise<Awaited<ClaudeRun['ended']>>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => {
      try {
        resolve({ exitCode, result: JSON.parse(stdout) as Record<string, unknown>, stdout, stderr });
      } catch {
        reject(new Error(`claude ended with ${exitCode} and no result: ${stdout} ${stderr}`));
      }
    });
  });
  return { pid: child.pid ?? 0, ended };
}

function claudeEnvironment(run: { home: string; url: string; token: string }): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: run.home,
    ANTHROPIC_BASE_URL: run.url,
    ANTHROPIC_API_KEY: run.token,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    CLAUDE_CODE_TMPDIR: run.home,
    IS_SANDBOX: '1',
  };
}
