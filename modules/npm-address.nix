# Where a package of npm is fetched from: the registry that was given or that the builder stamped, which is the host's own. With
# `--impure` also npm's variable. What is fetched is pinned by its hash, wherever it comes from.
{
  lib,
  npmRegistry ? null,
}:
let
  stamped = (lib.importJSON ./image/stamp.json).npmRegistry;
  ofShell = builtins.getEnv "npm_config_registry";
  given = lib.findFirst (address: address != null && address != "") (throw ''
    No npm registry is known. Give one: `ralph.npmRegistry` of the guest, `.override { npmRegistry = "https://…"; }` of the
    program, or: npm_config_registry=$(npm config get registry) nix build --impure …'') [
    npmRegistry
    stamped
    ofShell
  ];
in
name: version: "${lib.removeSuffix "/" given}/${name}/-/${baseNameOf name}-${version}.tgz"
