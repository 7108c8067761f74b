# What every Ralph finds, and what /etc/ralph/guest.json says of it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.ralph;
  nodejs = pkgs.nodejs_24;
  npmTool = import ./npm-tool.nix {
    inherit pkgs lib;
    inherit (cfg) npmRegistry;
  };
in
{
  environment.systemPackages = [
    pkgs.tmux
    pkgs.git
    pkgs.jujutsu
    pkgs.ripgrep
    pkgs.jq
    pkgs.perl
    pkgs.curl
    pkgs.less
    pkgs.procps
    config.services.qemuGuest.package
    # npm as pinned for every image, before the one that node brings.
    (lib.hiPrio (npmTool cfg.contents.npm))
    nodejs
  ];
  # What npm packages bring as finished programs looks for the usual loader and libraries.
  programs.nix-ld.enable = true;

  ralph.tools = {
    node = nodejs.version;
    npm = cfg.contents.npm.version;
    git = pkgs.git.version;
    jj = pkgs.jujutsu.version;
    tmux = pkgs.tmux.version;
    rg = pkgs.ripgrep.version;
    jq = pkgs.jq.version;
    ssh = pkgs.openssh.version;
    qemu-ga = config.services.qemuGuest.package.version;
    systemd = config.systemd.package.version;
    linux = config.boot.kernelPackages.kernel.version;
  };
}
