# A guest of ralph-fleet: what docs/formats.md calls the guest contract. The options are in options.nix, everything else by concern.
{
  _file = ./default.nix;
  imports = [
    ./options.nix
    ./assertions.nix
    ./scripts.nix
    ./users.nix
    ./ssh.nix
    ./relay.nix
    ./identity.nix
    ./tools.nix
    ./agents.nix
    ./browser.nix
    ./verify.nix
    ./grow.nix
    ./boot.nix
    ./slim.nix
  ];
}
