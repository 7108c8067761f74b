/**
 * Reads what `nix build --log-format raw` prints, line by line, and says where the build is. Pure; unknown lines say nothing. A
 * line is looked at up to 500 characters, so that no output can make it grow.
 */
export function createNixProgress(report: (what: string) => void): (chunk: Uint8Array) => void {
  const decoder = new TextDecoder();
  const state: State = { toBuild: 0, toFetch: 0, built: 0, fetched: 0 };
  let rest = '';
  let last = '';
  return (chunk) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/[\r\n]/);
    rest = (lines.pop() ?? '').slice(0, 500);
    for (const line of lines) {
      const what = readLine(state, line.slice(0, 500));
      if (what === null || what === last) continue;
      last = what;
      report(what);
    }
  };
}

interface State {
  toBuild: number;
  toFetch: number;
  built: number;
  fetched: number;
}

function readLine(state: State, line: string): string | null {
  const plan = /^th(?:is|ese)(?: (\d{1,6}))? (derivation|path)s? will be (?:built|fetched)/.exec(line);
  if (plan) {
    const count = Number(plan[1] ?? 1);
    if (plan[2] === 'path') state.toFetch += count;
    else state.toBuild += count;
    return null;
  }
  if (/^copying path '/.test(line)) {
    state.fetched += 1;
    return `fetching ${outOf(state.fetched, state.toFetch)}: ${nameOf(line)}`;
  }
  if (/^building '/.test(line)) {
    state.built += 1;
    return `building ${outOf(state.built, state.toBuild)}: ${nameOf(line)}`;
  }
  return /^(?:unpacking|fetching|copying) /.test(line) ? 'fetching nixpkgs' : null;
}

function outOf(done: number, wanted: number): string {
  return wanted >= done ? `${done} of ${wanted}` : String(done);
}

/** The name in `/nix/store/<hash>-NAME[.drv]`. */
function nameOf(line: string): string {
  return /-([A-Za-z0-9+._?=-]{1,80}?)(?:\.drv)?'/.exec(line)?.[1] ?? 'something';
}
