{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.ralph-fleet;
  fleetYaml = (pkgs.formats.yaml { }).generate "fleet.yaml" cfg.settings;
  owner = config.users.users.${cfg.user} or { };
in
{
  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = owner.isNormalUser or false;
        message = "`services.ralph-fleet.user` is `${cfg.user}`, which is no normal user of this system.";
      }
      {
        assertion = cfg.settings == null || (cfg.settings.version or null) == 1;
        message = "`services.ralph-fleet.settings.version` is `${
          toString (cfg.settings.version or "missing")
        }`: this module writes version 1.";
      }
      {
        assertion =
          cfg.environmentFile == null || !lib.hasPrefix builtins.storeDir (toString cfg.environmentFile);
        message = "`services.ralph-fleet.environmentFile` is `${toString cfg.environmentFile}`, in the store, which everyone may read.";
      }
    ];

    environment.systemPackages = [ cfg.package ];
    users.users.${cfg.user}.linger = lib.mkDefault true;
    environment.sessionVariables = lib.mkIf (cfg.settings != null) {
      RALPH_FLEET_CONFIG = fleetYaml;
    };

    systemd.user.services.ralph-fleet = {
      description = "ralph-fleet: the daemon of a fleet of coding agents";
      documentation = [ "file:${cfg.package}/lib/node_modules/ralph-fleet/README.md" ];
      wantedBy = [ "default.target" ];
      unitConfig.ConditionUser = cfg.user;
      path = [
        "/run/wrappers"
        "/run/current-system/sw"
      ];
      environment = lib.mkIf (cfg.settings != null) { RALPH_FLEET_CONFIG = "${fleetYaml}"; };
      serviceConfig = {
        ExecStart = lib.getExe' cfg.package "ralph-fleet-daemon";
        Restart = "on-failure";
        # Exit 4: another daemon of this user runs already.
        RestartPreventExitStatus = 4;
        RestartSec = 5;
        # VMs, iterations and the gateway outlive the daemon, and the next one picks them up.
        KillMode = "process";
        UMask = "0022";
      }
      // lib.optionalAttrs (cfg.environmentFile != null) {
        EnvironmentFile = toString cfg.environmentFile;
      };
    };
  };
}
