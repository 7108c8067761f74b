# The image is as small as its content; the root file system grows to its VM's disk, late, and gives back what is deleted.
{
  fileSystems."/" = {
    device = "/dev/vda";
    fsType = "ext4";
    options = [ "noatime" "discard" ];
  };
  systemd.services.ralph-grow.wantedBy = [ "multi-user.target" ];
}
