# The agent CLIs asked for by `ralph.agents`. They run as published, by nix-ld.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.ralph;
  npmTool = import ./npm-tool.nix {
    inherit pkgs lib;
    inherit (cfg) npmRegistry;
  };
  arch = if pkgs.stdenv.hostPlatform.isAarch64 then "arm64" else "x64";
  # One that is not known is an assertion's to refuse, with words.
  chosen = map (name: cfg.contents.agents.${name}.${arch}) (
    lib.filter (name: cfg.contents.agents ? ${name}) cfg.agents
  );
in
{
  environment.systemPackages = map npmTool chosen;
  ralph.tools = lib.mkMerge (map (tool: lib.mapAttrs (_: _: tool.version) tool.bins) chosen);
}
