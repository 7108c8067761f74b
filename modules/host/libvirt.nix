{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.ralph-fleet;
in
{
  config = lib.mkIf cfg.enable {
    virtualisation.libvirtd.enable = lib.mkDefault true;
    users.users.${cfg.user}.extraGroups = [
      "kvm"
      "libvirtd"
    ];
    environment.systemPackages = [ pkgs.qemu ];
  };
}
