# One user per Ralph, without a password. The wall is outside the guest: inside it a Ralph may do as it likes.
{ config, lib, ... }:
let
  cfg = config.ralph;
  number = n: "ralph${toString n}";
  ralph = n: {
    isNormalUser = true;
    uid = 1000 + n - 1;
    extraGroups = [ "ralph" ];
    homeMode = "0700";
    # Not `!`: sshd without PAM would take the user for locked.
    hashedPassword = "*";
  };
in
{
  users = {
    mutableUsers = false;
    # Nobody has a password, and keys come at boot.
    allowNoPasswordLogin = true;
    groups.ralph = { };
    users = {
      root.hashedPassword = "*";
    }
    // builtins.listToAttrs (map (n: lib.nameValuePair (number n) (ralph n)) (lib.range 1 cfg.users));
  };
  security.sudo = {
    enable = true;
    extraConfig = builtins.readFile (cfg.files + "/rootfs/etc/sudoers.d/ralph");
  };
}
