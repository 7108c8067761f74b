# Whether a guest's configuration keeps what docs/formats.md promises, as far as it can be read from the configuration.
{ lib, guest }:
let
  inherit (guest) config;
  inherit (config.ralph) files;
  systemd = config.systemd;
  readUnit = name: builtins.readFile (files + "/scripts/${name}");
  units = lib.filter (name: lib.hasSuffix ".service" name || lib.hasSuffix ".socket" name) (
    builtins.attrNames (builtins.readDir (files + "/scripts"))
  );
  # NixOS does not read [Install]: what it starts by itself must be what the unit asks for.
  wantedBy = name: lib.concatMap (line: lib.optional (lib.hasPrefix "WantedBy=" line) (lib.removePrefix "WantedBy=" line)) (
    lib.splitString "\n" (readUnit name)
  );
  given =
    name:
    if lib.hasSuffix ".socket" name then
      systemd.sockets.${lib.removeSuffix ".socket" name}.wantedBy or [ ]
    else if name == "ralph-port@.service" then
      lib.optional (lib.elem "ralph-port@control.service" systemd.targets.multi-user.wants) "multi-user.target"
    else
      systemd.services.${lib.removeSuffix ".service" name}.wantedBy or [ ];
  places = config.system.activationScripts.ralph-places.text;
  say = broken: message: lib.optional broken message;
in
lib.concatMap (
  name:
  say (wantedBy name != given name)
    "${name} asks for ${builtins.toJSON (wantedBy name)} and gets ${builtins.toJSON (given name)}"
) units
++ lib.concatMap (
  use:
  say (!lib.elem "ralph-port@${use}.service" systemd.targets.multi-user.wants) "there is no ssh on the port ${use}"
  ++ say (systemd.units ? "ralph-port@${use}.service") "ralph-port@${use} has a drop-in that hides the template's"
) [ "control" "gateway" "people" "spare" ]
++ lib.concatMap (
  name:
  say (
    lib.hasSuffix ".service" name && !lib.hasInfix ":/run/current-system/sw/bin:" systemd.units.${name}.text
  ) "${name} does not find the guest's programs"
) units
++ say (config.environment.etc ? hostname) "/etc/hostname is a link into the store"
++ say (config.networking.useDHCP || config.networking.firewall.enable) "something sets a network up"
++ say (config.services.openssh.enable) "sshd listens"
++ say (config.users.users.root.hashedPassword != "*") "root has a password, or is locked for sshd"
++ say (config.users.users.ralph1.uid != 1000) "ralph1 is not the first user"
++ say (!lib.hasInfix " /usr/local/bin\n" places) "the scripts are not in /usr/local/bin"
++ say (config.ralph.tools.claude or null != config.ralph.contents.agents.claude.x64.version) "guest.json has not the pinned claude"
++ say (lib.elem "dmi_sysfs" config.boot.initrd.availableKernelModules) "root's key would get lost in the initial ramdisk"
++ say (!lib.elem "lsm=landlock" config.boot.kernelParams) "the kernel's command line is not the pinned one"
