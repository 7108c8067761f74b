# ssh on virtio ports: ralph-port starts an `sshd -i` for each connection. No daemon listens anywhere.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  rootfs = config.ralph.files + "/rootfs/etc";
  path = [ "/run/wrappers/bin" "/run/current-system/sw/bin" "/usr/local/bin" ];
in
{
  environment.systemPackages = [ pkgs.openssh ];
  environment.etc = {
    "ssh/sshd_config".text = ''
      Include /etc/ssh/sshd_config.d/*.conf
      SetEnv PATH=${lib.concatStringsSep ":" path}
    '';
    "ssh/sshd_config.d/10-ralph.conf".source = rootfs + "/ssh/sshd_config.d/10-ralph.conf";
  };
  users.users.sshd = {
    isSystemUser = true;
    group = "sshd";
    description = "sshd's unprivileged part";
  };
  users.groups.sshd = { };

  # systemd's own rule for root's key (provision.conf), which NixOS leaves out: from a credential of the VM.
  systemd.tmpfiles.rules = [
    "d= /root/.ssh :0700 root :root -"
    "f^ /root/.ssh/authorized_keys 600 root root - ssh.authorized_keys.root"
  ];

  # Not as drop-ins of the four: those would stand in the way of the template's own.
  systemd.targets.multi-user.wants = map (use: "ralph-port@${use}.service") [
    "control"
    "gateway"
    "people"
    "spare"
  ];
}
