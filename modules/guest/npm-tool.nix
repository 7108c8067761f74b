# A program from an npm package, as published, at the version and hash of src/images/contents.json. No script of the package runs.
{
  pkgs,
  lib,
  npmRegistry,
}:
tool:
let
  address = import ../npm-address.nix { inherit lib npmRegistry; };
in
pkgs.runCommand "${baseNameOf tool.package}-${tool.version}"
  {
    src = pkgs.fetchurl {
      url = address tool.package tool.version;
      hash = tool.integrity;
    };
    nativeBuildInputs = [ pkgs.nodejs_24 ];
    # The agent CLIs hold a whole JavaScript engine with its program behind it: a changed file no longer starts.
    dontStrip = true;
    dontPatchELF = true;
    meta.mainProgram = builtins.head (builtins.attrNames tool.bins);
  }
  ''
    folder=$out/lib/node_modules/${tool.package}
    mkdir -p "$folder" "$out/bin"
    tar -xzf "$src" -C "$folder" --strip-components=1
    ${lib.concatLines (
      lib.mapAttrsToList (name: target: ''
        chmod 0755 "$out/lib/node_modules/${target}"
        ln -s "../lib/node_modules/${target}" "$out/bin/${name}"
      '') tool.bins
    )}
  ''
