# The image variant of `ralph-fleet image build`: one ext4 file system as a compressed QCOW2, and beside it kernel, initial ramdisk
# and command line for direct kernel boot. Made by mkfs from a folder: no VM, no KVM and no copy of nixpkgs take part.
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
let
  inherit (config.system.build) toplevel;
  inherit (config.system.boot.loader) kernelFile initrdFile;

  filesystem = pkgs.callPackage "${modulesPath}/../lib/make-ext4-fs.nix" {
    storePaths = [ toplevel ];
    volumeLabel = "ralph";
    # Empty, not missing: systemd makes an id, but does not take the boot for a first one.
    populateImageCommands = ''
      mkdir -p ./files/etc
      : >./files/etc/machine-id
      echo ralph >./files/etc/hostname
    '';
  };
in
{
  imports = [ "${modulesPath}/image/file-options.nix" ];
  image.baseName = "image";
  image.extension = "qcow2";
  system.build.image =
    pkgs.runCommand "ralph-image-${pkgs.stdenv.hostPlatform.system}"
      {
        nativeBuildInputs = [ pkgs.qemu-utils ];
        cmdline = lib.concatStringsSep " " (
          [ "root=/dev/vda" "rw" "init=${toplevel}/init" ] ++ config.boot.kernelParams
        );
        guest = config.environment.etc."ralph/guest.json".text;
        passAsFile = [ "cmdline" "guest" ];
      }
      ''
        mkdir -p "$out"
        qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd ${filesystem} "$out/${config.image.fileName}"
        cp ${config.boot.kernelPackages.kernel}/${kernelFile} "$out/vmlinuz"
        cp ${config.system.build.initialRamdisk}/${initrdFile} "$out/initrd.img"
        cp "$cmdlinePath" "$out/cmdline"
        cp "$guestPath" "$out/guest.json"
      '';
}
