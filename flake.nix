{
  description = "Runs a fleet of coding agents in VMs of their own: the guest image, the program, the host's service.";

  # A release branch, not a commit: docs/decisions/0019-nixos-image.md says why there is no flake.lock yet.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      eachSystem = lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
      ];
      # `ralph-fleet image build` writes it into its copy of this flake: which image, with which agent CLIs.
      stamp = lib.importJSON ./modules/image/stamp.json;

      mkGuest =
        system: module:
        lib.nixosSystem {
          modules = [
            self.nixosModules.guest
            { nixpkgs.hostPlatform = system; }
            module
          ];
        };
      guests = eachSystem (system: mkGuest system { ralph = { inherit (stamp) image agents; }; });
      tests = eachSystem (system: import ./modules/tests { inherit self nixpkgs system mkGuest; });
    in
    {
      lib = {
        inherit mkGuest;
        # For docs/nix-options.md; the same on every system.
        inherit (tests.x86_64-linux) options;
      };

      nixosModules = {
        guest = {
          imports = [ ./modules/guest ];
          image.modules.ralph = ./modules/image/qcow2.nix;
        };
        host = import ./modules/host self;
      };

      nixosConfigurations = {
        ralph-x86_64 = guests.x86_64-linux;
        ralph-aarch64 = guests.aarch64-linux;
      };

      packages = eachSystem (system: {
        default = self.packages.${system}.ralph-fleet;
        qcow2 = guests.${system}.config.system.build.images.ralph;
        ralph-fleet = nixpkgs.legacyPackages.${system}.callPackage ./modules/package.nix { src = self; };
      });

      devShells = eachSystem (system: {
        default = import ./modules/shell.nix { pkgs = nixpkgs.legacyPackages.${system}; };
      });

      checks = eachSystem (
        system:
        {
          inherit (self.packages.${system}) qcow2 ralph-fleet;
        }
        // tests.${system}.checks
      );

      formatter = eachSystem (system: nixpkgs.legacyPackages.${system}.nixfmt-tree);
    };
}
