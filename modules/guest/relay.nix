# The guest's one local address of the gateway, 127.0.0.1:4141.
{ config, lib, ... }:
{
  users.users.ralph-relay = {
    isSystemUser = true;
    group = "ralph-relay";
    home = "/nonexistent";
  };
  users.groups.ralph-relay = { };
  systemd.tmpfiles.rules = lib.filter (line: line != "" && !lib.hasPrefix "#" line) (
    lib.splitString "\n" (builtins.readFile (config.ralph.files + "/rootfs/etc/tmpfiles.d/ralph.conf"))
  );
  systemd.sockets.ralph-relay.wantedBy = [ "sockets.target" ];
}
