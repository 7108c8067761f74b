/** Package registries that a project's setup may read through the gateway (`registries` in .ralph/project.yaml). */
export const registryKinds = ['npm', 'debian'] as const;
export type RegistryKind = (typeof registryKinds)[number];

export function isRegistryKind(name: string): name is RegistryKind {
  return (registryKinds as readonly string[]).includes(name);
}

const wantsNetwork =
  /ENOTFOUND|EAI_AGAIN|ENETUNREACH|ECONNREFUSED|getaddrinfo|could ?n[o']t resolve|temporary failure (in name resolution|resolving)|name or service not known|network is unreachable|\b403\b[^\n]*\/registry\//i;

/** For a setup that failed since it wanted a network it was not given; null where its output says nothing of the kind. */
export function sayNoNetwork(output: string, given: readonly string[]): string | null {
  if (!wantsNetwork.test(output)) return null;
  const has = given.length === 0 ? 'nothing' : given.join(', ');
  return `A VM has no network. Its setup reads only the registries that .ralph/project.yaml names, here ${has}: npm's by \`registries: [npm]\`, Debian's by \`packages\`. What comes from elsewhere has to be in the repository.`;
}

/** Where a guest finds a registry on the gateway's address. */
export function registryPath(kind: RegistryKind): string {
  return `/registry/${kind}/`;
}
