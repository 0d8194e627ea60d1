# nixpkgs' flake, as far as ours asks for it, of nix/debian beside it. With a file nixunits beside it,
# that is what pkgsStatic has of nixunits: building it takes a compiler (t/nix-package.t).
{
  outputs = _: {
    lib = import ./debian/lib;
    legacyPackages = builtins.listToAttrs (
      map (system: {
        name = system;
        value = import ./debian {
          inherit system;
          dpkg = ./dpkg.json;
          overlays = [
            (final: _: {
              mkShell = { inputsFrom, packages }: final.runCommand "shell" { inherit inputsFrom packages; } "mkdir $out";
            })
            (
              final: _:
              if builtins.pathExists ./nixunits then
                {
                  pkgsStatic.callPackage = _: _: final.runCommandLocal "nixunits-static" { } ''
                    install -D ${./nixunits} $out/bin/nixunits
                  '';
                }
              else
                { }
            )
          ];
        };
      }) [ "x86_64-linux" "aarch64-linux" ]
    );
  };
}
