# `nix develop`: what scripts/test needs beyond what it builds itself.
{ pkgs }:
pkgs.mkShell {
  packages = with pkgs; [
    nodejs_24
    git
    jujutsu
    tmux
    openssh
    libvirt
    qemu
    jq
    zstd
    xz
    shellcheck
  ];
}
