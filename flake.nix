{
  description = "Lightweight, declarative, isolated containers of NixOS services on any systemd host";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { nixpkgs, ... }:
    {
      # mkContainer.<system> { id; declaration; properties ? { }; … }: see nix/mkContainer.nix
      lib.mkContainer = nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (
        system: args:
        import ./nix/mkContainer.nix (
          {
            inherit system;
            inherit (nixpkgs) lib;
            evalConfig = import "${nixpkgs}/nixos/lib/eval-config.nix";
            pkgs = nixpkgs.legacyPackages.${system};
          }
          // args
        )
      );
    };
}
