/**
 * Reads what `mmdebstrap --verbose` (apt and dpkg beneath it) prints, line by line, and says where the build is. Pure; unknown
 * lines say nothing. A line is looked at up to 500 characters, so that no output can make it grow.
 */
export interface BootstrapProgress {
  push(chunk: Uint8Array): void;
}

interface State {
  wanted: number;
  downloaded: number;
  settled: number;
  last: string;
}

export function createBootstrapProgress(report: (what: string) => void): BootstrapProgress {
  const decoder = new TextDecoder();
  const state: State = { wanted: 0, downloaded: 0, settled: 0, last: '' };
  let rest = '';
  return {
    push(chunk) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split(/[\r\n]/);
      rest = (lines.pop() ?? '').slice(0, 500);
      for (const line of lines) {
        const what = readLine(state, line.slice(0, 500));
        if (what === null || what === state.last) continue;
        state.last = what;
        report(what);
      }
    },
  };
}

/** Stages in the order mmdebstrap goes through them; its own words on the left. */
const stages: readonly (readonly [RegExp, string])[] = [
  [/^I: running apt-get update/, 'asking the Debian mirror'],
  [/^I: extracting archives/, 'unpacking the base system'],
  [/^I: ralph: (.+)/, 'making it a guest: $1'],
  [/^I: cleaning package lists/, 'cleaning up'],
];

function readLine(state: State, line: string): string | null {
  const wanted = /, (\d{1,6}) newly installed,/.exec(line);
  if (wanted) {
    state.wanted += Number(wanted[1]);
    return null;
  }
  // (The kernel's own files come later and are not counted.)
  if (/^Get:\d/.test(line) && state.downloaded < state.wanted) {
    state.downloaded += 1;
    return `downloading ${outOf(state.downloaded, state.wanted)}`;
  }
  if (/^Setting up /.test(line)) {
    state.settled += 1;
    return `installing ${outOf(state.settled, state.wanted)}`;
  }
  for (const [pattern, words] of stages) {
    const found = pattern.exec(line);
    if (found) return words.replace('$1', found[1] ?? '');
  }
  return null;
}

/** apt tells the number of packages twice, for the base and for the rest: what is known so far is never less than what is done. */
function outOf(done: number, wanted: number): string {
  return wanted >= done ? `${done} of ${wanted} packages` : `${done} packages`;
}
