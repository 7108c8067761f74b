# What evaluation alone can prove; all of it fails at evaluation, so that `nix flake check --no-build` finds it.
{
  self,
  nixpkgs,
  system,
  mkGuest,
}:
let
  inherit (nixpkgs) lib;
  pkgs = nixpkgs.legacyPackages.${system};
  proved = name: broken: if broken == [ ] then pkgs.emptyFile else throw "${name}:\n${lib.concatStringsSep "\n" broken}";

  guest = (mkGuest system { ralph.agents = [ "claude" ]; });
  host =
    settings:
    lib.nixosSystem {
      modules = [
        self.nixosModules.host
        {
          nixpkgs.hostPlatform = system;
          fileSystems."/" = {
            device = "none";
            fsType = "tmpfs";
          };
          boot.loader.grub.enable = false;
          system.stateVersion = "26.05";
          users.users.ada.isNormalUser = true;
        }
        {
          services.ralph-fleet = {
            enable = true;
            user = "ada";
          }
          // settings;
        }
      ];
    };
  optionsOf =
    options:
    lib.filter (option: option.visible && !option.internal) (lib.optionAttrSetToDocList options);
in
{
  checks = {
    refusals = proved "refusals" (import ./refusals.nix { inherit lib system mkGuest host; });
    contract = proved "contract" (import ./contract.nix { inherit lib guest; });
    toplevel = guest.config.system.build.toplevel;
    browser = (mkGuest system { ralph.browser.enable = true; }).config.system.build.toplevel;
    host = (host { settings.version = 1; }).config.system.build.toplevel;
  };
  host = host { settings.version = 1; };
  # For docs: name, type, default, description of every option that is a person's to set.
  options = map (option: {
    inherit (option) name description type;
    default = option.default.text or null;
    example = option.example.text or null;
  }) (optionsOf { inherit (guest.options) ralph; } ++ optionsOf { inherit ((host { }).options.services) ralph-fleet; });
}
