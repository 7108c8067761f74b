# Chromium by its name, and Playwright's browsers where Playwright looks for them by itself: what a job is given as its environment
# is the fleet's business.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.ralph;
  rules =
    n:
    let
      user = "ralph${toString n}";
    in
    [
      "d /home/${user}/.cache 0700 ${user} users -"
      "L+ /home/${user}/.cache/ms-playwright - - - - ${pkgs.playwright-driver.browsers}"
    ];
in
{
  config = lib.mkIf cfg.browser.enable {
    environment.systemPackages = [ pkgs.chromium ];
    systemd.tmpfiles.rules = lib.concatMap rules (lib.range 1 cfg.users);
    fonts.packages = [ pkgs.dejavu_fonts ];
    ralph.tools.chromium = pkgs.chromium.version;
  };
}
