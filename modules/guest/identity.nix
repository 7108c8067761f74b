# Nothing of the image is one VM's own: name, machine id and host key are made in the guest, and the clock is the host's.
{ config, lib, ... }:
{
  # ralph-identity and ralph-fork write /etc/hostname, which must therefore be no link into the store.
  networking.hostName = "";
  systemd.services = {
    ralph-hostkey.wantedBy = [ "sysinit.target" ];
    # On the copy of another VM's disk that one's key must never be told.
    qemu-guest-agent = lib.mkIf config.services.qemuGuest.enable { after = [ "ralph-hostkey.service" ]; };
    systemd-random-seed.enable = false;
    systemd-timesyncd.enable = false;
  };
  services.timesyncd.enable = lib.mkDefault false;
  time.timeZone = lib.mkDefault "UTC";
  # The host reads the host key's public half and sets the clock through it.
  services.qemuGuest.enable = lib.mkDefault true;
}
