# nixpkgs' flake, as far as ours asks for it, of nix/debian beside it.
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
          ];
        };
      }) [ "x86_64-linux" "aarch64-linux" ]
    );
  };
}
