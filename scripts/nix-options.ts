/** docs/nix-options.md, from the modules' own words. */
export interface NixOption {
  name: string;
  type: string;
  description: string;
  default: string | null;
  example: string | null;
}

export function optionsPage(options: readonly NixOption[]): string {
  const head = [
    '# Options of the NixOS modules',
    '',
    'Written by `scripts/check-nix --write`. `ralph.*` is the guest (`nixosModules.guest`), `services.ralph-fleet.*` the machine that',
    'runs a fleet (`nixosModules.host`).',
  ];
  return `${[...head, ...options.flatMap(section)].join('\n')}\n`;
}

function section(option: NixOption): string[] {
  const lines = ['', `## \`${option.name}\``, '', option.description.trim(), ''];
  lines.push(
    `- type: ${option.type}`,
    `- default: ${option.default === null ? 'none; it must be set' : code(option.default)}`,
  );
  if (option.example !== null) lines.push(`- example: ${code(option.example)}`);
  return lines;
}

function code(text: string): string {
  return `\`${text.trim().replace(/\s+/g, ' ')}\``;
}
