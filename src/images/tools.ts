import { FleetError } from '../lib/errors.ts';
import contents from './contents.json' with { type: 'json' };

/** Programs of a guest that come from npm, at the same version in every image; contents.json pins them. */
export interface NpmTool {
  package: string;
  version: string;
  /** Command in the guest -> file below node_modules. */
  bins: Readonly<Record<string, string>>;
  /** What the published package hashes to; Nix checks it. */
  integrity: string;
}

/** npm itself: Debian's own package would bring some 400 others. */
const npm: NpmTool = contents.npm;

/** For each agent CLI the package of the guest's own platform, which is the whole program; the usual one only chooses between these. */
const agentTools: Readonly<Record<string, { x64: NpmTool; arm64: NpmTool }>> = contents.agents;

/** The agent CLIs an image shall hold; `scripted` needs none. Throws `usage` for one that is not known. */
export function agentNames(agents: readonly string[]): string[] {
  const names = agents.filter((name) => name !== 'scripted');
  for (const name of names) {
    if (Object.hasOwn(agentTools, name)) continue;
    throw new FleetError('usage', `\`image.agents\` names \`${name}\`, which no image can hold yet.`, {
      remedy: `Known are: ${Object.keys(agentTools).join(', ')}.`,
    });
  }
  return names;
}

/** npm and the agent CLIs asked for. */
export function toolsFor(agents: readonly string[], arch: 'x64' | 'arm64' = 'x64'): NpmTool[] {
  return [npm, ...agentNames(agents).flatMap((name) => agentTools[name]?.[arch] ?? [])];
}
