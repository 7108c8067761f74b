# The guest's own programs and units, byte for byte those of every other image, found where those are found. Agents and the
# repositories they work on expect some programs at fixed places too.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (config.ralph) files;
  isUnit = name: lib.any (end: lib.hasSuffix end name) [ ".service" ".socket" ];
  names = builtins.attrNames (builtins.readDir (files + "/scripts"));
  copy = mode: folder: name: "install -D -m ${mode} ${files}/scripts/${name} $out/${folder}/${name}";

  package = pkgs.runCommand "ralph-guest-scripts" { preferLocalBuild = true; } (
    lib.concatLines (
      map (name: if isUnit name then copy "0644" "lib/systemd/system" name else copy "0755" "bin" name) names
    )
  );
  linked = {
    "/bin/bash" = lib.getExe pkgs.bashInteractive;
    "/usr/bin/bash" = lib.getExe pkgs.bashInteractive;
    "/usr/bin/perl" = lib.getExe pkgs.perl;
    "/usr/sbin" = "/run/current-system/sw/bin";
    "/usr/lib/systemd" = "${config.systemd.package}/lib/systemd";
    "/usr/local/bin" = "${package}/bin";
  };
in
{
  environment.systemPackages = [ package ];
  # The scripts were made for it, and it starts in half the time.
  environment.binsh = lib.getExe pkgs.dash;

  systemd.packages = [ package ];
  # NixOS starts nothing by a unit's own [Install]; a unit of a package gets these as a drop-in.
  systemd.services =
    let
      onPath = {
        path = [ "/run/wrappers" "/run/current-system/sw" ];
      };
    in
    lib.genAttrs [ "ralph-hostkey" "ralph-port@" "ralph-fork" "ralph-relay" "ralph-grow" ] (_: onPath);

  # Before systemd starts: the first unit that needs a place runs before tmpfiles.
  system.activationScripts.ralph-places = lib.stringAfter [ "usrbinenv" "binsh" ] (
    lib.concatLines (
      lib.mapAttrsToList (place: target: ''
        mkdir -p ${dirOf place}
        ln -sfn ${target} ${place}
      '') linked
    )
  );
}
