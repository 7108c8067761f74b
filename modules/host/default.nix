# The machine that runs a fleet: libvirt for its user, and the daemon as that user's service.
self: {
  _file = ./default.nix;
  imports = [
    (import ./options.nix self)
    ./service.nix
    ./libvirt.nix
  ];
}
