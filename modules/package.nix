# The program, from this checkout. package-lock.json names no registry, so the addresses are made here; its hashes hold. (Those of
# other platforms have none, and are not fetched.)
{
  lib,
  buildNpmPackage,
  importNpmLock,
  nodejs_24,
  makeWrapper,
  git,
  jujutsu,
  libvirt,
  openssh,
  qemu,
  tmux,
  src,
  npmRegistry ? null,
}:
let
  package = lib.importJSON (src + "/package.json");
  lock = lib.importJSON (src + "/package-lock.json");
  address = import ./npm-address.nix { inherit lib npmRegistry; };
  nameOf = path: lib.last (lib.splitString "node_modules/" path);
  withAddress =
    path: module:
    module
    // lib.optionalAttrs (module ? integrity) {
      resolved = address (module.name or (nameOf path)) module.version;
    };
in
buildNpmPackage {
  pname = package.name;
  inherit (package) version;
  inherit src;
  nodejs = nodejs_24;
  npmDeps = importNpmLock {
    inherit package;
    packageLock = lock // {
      packages = lib.mapAttrs withAddress lock.packages;
    };
  };
  inherit (importNpmLock) npmConfigHook;
  npmFlags = [ "--ignore-scripts" ];
  nativeBuildInputs = [ makeWrapper ];
  # What the daemon starts; a newer one in the user's PATH is taken first.
  postFixup = ''
    for program in ralph-fleet ralph-fleet-daemon; do
      [ "$program" = ralph-fleet ] || makeWrapper ${lib.getExe nodejs_24} $out/bin/$program \
        --add-flags "--disable-warning=ExperimentalWarning $out/lib/node_modules/${package.name}/dist/daemon/main.js"
      wrapProgram $out/bin/$program --suffix PATH : ${
        lib.makeBinPath [
          git
          jujutsu
          libvirt
          openssh
          qemu
          tmux
        ]
      }
    done
  '';
  meta = {
    inherit (package) description;
    license = lib.licenses.mit;
    mainProgram = "ralph-fleet";
    platforms = lib.platforms.linux;
  };
}
