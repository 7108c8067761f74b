self:
{ lib, pkgs, ... }:
let
  inherit (lib) mkEnableOption mkOption types;
in
{
  options.services.ralph-fleet = {
    enable = mkEnableOption "ralph-fleet, a fleet of coding agents in VMs of their own, as a user service";

    package = mkOption {
      type = types.package;
      default = self.packages.${pkgs.stdenv.hostPlatform.system}.ralph-fleet;
      defaultText = lib.literalExpression "ralph-fleet.packages.\${system}.ralph-fleet";
      description = "The program.";
    };

    user = mkOption {
      type = types.str;
      example = "ada";
      description = "Whose fleet it is. VMs run with this user's rights; the service goes on after logout.";
    };

    settings = mkOption {
      type = types.nullOr (types.attrsOf types.anything);
      default = null;
      example = lib.literalExpression ''{ version = 1; image.builder = "nix"; roles.implementer = 2; }'';
      description = ''
        Contents of fleet.yaml (docs/formats.md). `null` leaves `~/.config/ralph-fleet/fleet.yaml` to the user. Nothing secret: it is
        readable by everyone on this machine.
      '';
    };

    environmentFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/ralph-fleet";
      description = "File of `NAME=value` lines for the daemon, such as `ANTHROPIC_API_KEY`; outside the store, readable by the user only.";
    };
  };
}
