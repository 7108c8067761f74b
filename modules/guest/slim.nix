# What a guest that lives for an hour, without a network, a screen or a person at its console, need not hold or start.
{
  config,
  lib,
  modulesPath,
  ...
}:
let
  rootfs = config.ralph.files + "/rootfs/etc/systemd";
in
{
  imports = [ "${modulesPath}/profiles/minimal.nix" ];
  nix.enable = lib.mkDefault false;
  system.switch.enable = lib.mkDefault false;
  system.stateVersion = lib.mkDefault "26.05";

  # No network card: what would wait for one, or set it up, stays away.
  networking = {
    useDHCP = false;
    firewall.enable = false;
    resolvconf.enable = false;
  };
  services.fstrim.enable = false;
  systemd.oomd.enable = false;
  systemd.coredump.enable = false;

  environment.etc = {
    "systemd/journald.conf.d/10-ralph.conf".source = rootfs + "/journald.conf.d/10-ralph.conf";
    "systemd/system.conf.d/10-ralph.conf".source = rootfs + "/system.conf.d/10-ralph.conf";
  };
}
