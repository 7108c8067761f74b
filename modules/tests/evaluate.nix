# Everything of the flake that evaluation alone can show, for scripts/check-nix: as Nix would call it, but with a nixpkgs tree and this
# flake read where they are, so that no file is copied and nothing is fetched.
{
  flake,
  nixpkgs,
  system,
}:
let
  call =
    folder: inputs:
    let
      outputs = (import (folder + "/flake.nix")).outputs (inputs // { self = outputs // { outPath = folder; }; });
    in
    outputs // { outPath = folder; };
  tree = call (/. + nixpkgs) { };
  self = call (/. + flake) { nixpkgs = tree; };
  inherit (tree) lib;

  guest = self.nixosConfigurations.${if system == "x86_64-linux" then "ralph-x86_64" else "ralph-aarch64"};
  host = (import ./default.nix { inherit self system; nixpkgs = tree; inherit (self.lib) mkGuest; }).host;
  ofRalph = lib.filterAttrs (name: _: lib.hasPrefix "ralph-" name);
in
{
  derivations = lib.mapAttrs (_: drv: drv.drvPath) (
    self.checks.${system} // { shell = self.devShells.${system}.default; }
  );
  # A unit of ours is its own text (src/guest/scripts) and this drop-in.
  dropIns = lib.mapAttrs (_: unit: unit.text) (ofRalph guest.config.systemd.units);
  userUnits = lib.mapAttrs (_: unit: unit.text) (ofRalph host.config.systemd.user.units);
  scripts = {
    image = guest.config.system.build.images.ralph.buildCommand;
    places = guest.config.system.activationScripts.ralph-places.text;
    npm-tool = (import ../guest/npm-tool.nix { inherit lib; inherit (guest) pkgs; inherit (guest.config.ralph) npmRegistry; } guest.config.ralph.contents.npm).buildCommand;
    package = self.packages.${system}.ralph-fleet.postFixup;
  };
  inherit (self.lib) options;
}
