{
  description = "Lightweight, declarative, isolated containers of NixOS services on any systemd host";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { self, nixpkgs, ... }:
    let
      systems = nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ];
      of = system: import ./. { pkgs = nixpkgs.legacyPackages.${system}; };
    in
    {
      # Containers in a NixOS host's configuration: nixunits.<name> = { … }
      nixosModules.default = ./nix/host/module.nix;

      # <system>.mkContainer { id; declaration; properties ? { }; … }: see nix/mkContainer.nix
      lib = systems (system: {
        inherit (of system) mkContainer;
      });

      packages = systems (system: {
        inherit (of system) nixunits nixunits-static portable;
        default = self.packages.${system}.nixunits;
      });

      devShells = systems (system: {
        default = nixpkgs.legacyPackages.${system}.mkShell {
          inputsFrom = [ self.packages.${system}.nixunits ];
          packages = with nixpkgs.legacyPackages.${system}; [ jq mandoc perl strace ];
        };
      });

      checks = systems (system: {
        inherit (self.packages.${system}) nixunits nixunits-static;
        container =
          (self.lib.${system}.mkContainer {
            id = "web2";
            declaration = import ./nix/examples/quickstart/web_default.nix;
            properties = builtins.fromJSON (builtins.readFile ./nix/examples/quickstart/web2.json);
          }).unit;
      });
    };
}
