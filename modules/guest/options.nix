{ lib, ... }:
let
  inherit (lib) mkEnableOption mkOption types;
in
{
  options.ralph = {
    image = mkOption {
      type = types.str;
      default = "unstamped";
      description = "Key of the image, as `/etc/ralph/guest.json` tells it; `ralph-fleet image build` stamps it.";
    };

    users = mkOption {
      type = types.int;
      default = 1;
      example = 3;
      description = "How many Ralphs may live in one VM: the users `ralph1`, `ralph2` and so on, each with a home of its own.";
    };

    agents = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "claude" ];
      description = "Agent CLIs in the image, at the versions pinned in `src/images/contents.json`.";
    };

    npmRegistry = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "https://registry.example/";
      description = "Where npm and the agent CLIs are fetched from, by the hashes pinned in `src/images/contents.json`. `ralph-fleet image build` stamps the one this host's npm uses.";
    };

    browser.enable = mkEnableOption "Chromium and Playwright's browsers for agents that test web pages";

    contents = mkOption {
      type = types.attrs;
      readOnly = true;
      internal = true;
      default = lib.importJSON ../../src/images/contents.json;
      description = "Pins that the Debian image is made from too.";
    };

    files = mkOption {
      type = types.path;
      readOnly = true;
      internal = true;
      default = ../../src/guest;
      description = "Scripts and settings of the guest contract, the same for every image.";
    };

    tools = mkOption {
      type = types.attrsOf types.str;
      internal = true;
      description = "Command and version of what the contract promises.";
    };
  };
}
