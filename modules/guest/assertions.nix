# Each message names the value and what is wrong with it. What ralph-verify would find in a booted guest is said here, before an
# hour of building.
{ config, lib, ... }:
let
  cfg = config.ralph;
  known = builtins.attrNames cfg.contents.agents;
  isLocked = hash: hash == null || lib.hasPrefix "!" hash || lib.hasPrefix "*" hash;
  hasPassword =
    user:
    user.password != null
    || user.initialPassword != null
    || user.hashedPasswordFile != null
    || !isLocked user.hashedPassword
    || !isLocked user.initialHashedPassword;
  hasKeys = user: user.openssh.authorizedKeys.keys != [ ] || user.openssh.authorizedKeys.keyFiles != [ ];
  say = assertion: message: { inherit assertion message; };
in
{
  assertions = [
    (say (builtins.match "[A-Za-z0-9._-]{1,64}" cfg.image != null)
      "`ralph.image` is `${cfg.image}`, which is no plain word of at most 64 characters."
    )
    (say (cfg.users >= 1 && cfg.users <= 64)
      "`ralph.users` is ${toString cfg.users}: a guest holds 1 to 64 Ralphs."
    )
    (say (config.networking.hostName == "")
      "`networking.hostName` is `${config.networking.hostName}`: a guest gets its name at run time, and the file must be its own to write. Leave it empty."
    )
    (say (!config.services.openssh.enable)
      "`services.openssh.enable` is true: sshd would listen on the network. A guest serves ssh on its virtio ports only."
    )
    (say (!(config.environment.etc ? "machine-id"))
      "`environment.etc.\"machine-id\"` is set: every VM of this image would have the same identity."
    )
    (say config.services.qemuGuest.enable
      "`services.qemuGuest.enable` is false: the host reads a guest's host key through the agent."
    )
  ]
  ++ map (
    agent:
    say (builtins.elem agent known)
      "`ralph.agents` names `${agent}`, which no image can hold yet. Known are: ${lib.concatStringsSep ", " known}."
  ) cfg.agents
  ++ lib.mapAttrsToList (
    name: user:
    say (
      !hasPassword user
    ) "`users.users.${name}` has a password: it would be the same in every VM. Keys arrive at boot."
  ) config.users.users
  ++ lib.mapAttrsToList (
    name: user:
    say (!hasKeys user)
      "`users.users.${name}.openssh.authorizedKeys` is set: no key is baked into an image. Keys arrive at boot."
  ) config.users.users;
}
