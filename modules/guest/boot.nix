# The host starts kernel and initial ramdisk itself (direct kernel boot): no boot loader, no partitions, a console on the serial line.
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
let
  isArm = pkgs.stdenv.hostPlatform.isAarch64;
  ofX86 = [ "no_timer_check" "tsc=reliable" "no5lvl" ];
  fits = param: !isArm || !builtins.elem param ofX86;
in
{
  imports = [ "${modulesPath}/profiles/qemu-guest.nix" ];
  boot = {
    loader.grub.enable = false;
    # Without dmi_sysfs: credentials (root's key) that systemd picks up in the ramdisk are lost when it switches to the root, for
    # NixOS binds /run without what is mounted in it. Left out, systemd picks them up afterwards.
    initrd.systemd.enable = true;
    kernelParams = [ "console=${if isArm then "ttyAMA0" else "ttyS0"}" ] ++ lib.filter fits config.ralph.contents.kernelParams;
  };
  # Nobody sits at the console.
  systemd.services."getty@".enable = false;
  systemd.services."serial-getty@".enable = false;
  console.enable = false;
}
