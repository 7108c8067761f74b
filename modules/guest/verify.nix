# What ralph-verify compares the booted guest with.
{ config, ... }:
{
  environment.etc."ralph/guest.json".text = builtins.toJSON {
    contract = 1;
    inherit (config.ralph) image tools;
    builder = "nix";
  };
}
