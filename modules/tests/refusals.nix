# Configurations that must be refused, each with words that must stand in the message.
{
  lib,
  system,
  mkGuest,
  host,
}:
let
  guest = module: mkGuest system module;
  cases = {
    "an agent no image can hold" = {
      of = guest { ralph.agents = [ "codex" ]; };
      says = "`ralph.agents` names `codex`";
    };
    "no Ralph at all" = {
      of = guest { ralph.users = 0; };
      says = "`ralph.users` is 0";
    };
    "a key that is no word" = {
      of = guest { ralph.image = "a b"; };
      says = "`ralph.image` is `a b`";
    };
    "a name of its own" = {
      of = guest { networking.hostName = lib.mkForce "box"; };
      says = "`networking.hostName` is `box`";
    };
    "an sshd on the network" = {
      of = guest { services.openssh.enable = true; };
      says = "`services.openssh.enable` is true";
    };
    "a machine id for everyone" = {
      of = guest { environment.etc."machine-id".text = "0123456789abcdef0123456789abcdef"; };
      says = "every VM of this image would have the same identity";
    };
    "no guest agent" = {
      of = guest { services.qemuGuest.enable = false; };
      says = "`services.qemuGuest.enable` is false";
    };
    "a password" = {
      of = guest { users.users.ralph1.hashedPassword = lib.mkForce "$6$x$y"; };
      says = "`users.users.ralph1` has a password";
    };
    "a key baked in" = {
      of = guest { users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA x" ]; };
      says = "`users.users.root.openssh.authorizedKeys` is set";
    };
    "a fleet of nobody" = {
      of = host { user = "eve"; };
      says = "`services.ralph-fleet.user` is `eve`";
    };
    "settings of another version" = {
      of = host { settings.version = 2; };
      says = "`services.ralph-fleet.settings.version` is `2`";
    };
    "a secret in the store" = {
      of = host { environmentFile = "${builtins.storeDir}/x"; };
      says = "which everyone may read";
    };
  };
  failed = nixos: map (found: found.message) (lib.filter (found: !found.assertion) nixos.config.assertions);
  good = {
    guest = guest { };
    host = host { };
  };
in
lib.concatLists (
  lib.mapAttrsToList (
    name: case:
    lib.optional (!lib.any (lib.hasInfix case.says) (failed case.of)) "${name} was not refused with: ${case.says}"
  ) cases
  ++ lib.mapAttrsToList (name: nixos: map (message: "the plain ${name} is refused: ${message}") (failed nixos)) good
)
