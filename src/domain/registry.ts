/** Package registries that a project's setup may read through the gateway (`registries` in .ralph/project.yaml). */
export const registryKinds = ['npm', 'debian'] as const;
export type RegistryKind = (typeof registryKinds)[number];

export function isRegistryKind(name: string): name is RegistryKind {
  return (registryKinds as readonly string[]).includes(name);
}

/** Where a guest finds a registry on the gateway's address. */
export function registryPath(kind: RegistryKind): string {
  return `/registry/${kind}/`;
}
