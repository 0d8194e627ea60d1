# meta - what a package says of itself.
{ lib }:
let
  # A name for whatever is asked: modules and packages only pass these on.
  named = names: lib.genAttrs names (n: { shortName = n; spdxId = n; });
in
{
  getExe =
    x:
    lib.getExe' x (
      x.meta.mainProgram or (lib.warn
        "getExe: package ${x.name} has no meta.mainProgram, its name is taken for it"
        (lib.getName x)
      )
    );
  getExe' = x: name: "${lib.getBin x}/bin/${name}";
  licenses = named [ "mit" "asl20" "bsd2" "bsd3" "isc" "mpl20" "gpl2Only" "gpl2Plus" "gpl3Only" "gpl3Plus" "lgpl21Plus" "lgpl3Plus" "agpl3Only" "agpl3Plus" "publicDomain" "unlicense" "cc0" "free" "unfree" ];
  maintainers = { };
  teams = { };
  platforms = rec {
    linux = [ "x86_64-linux" "aarch64-linux" "i686-linux" "armv7l-linux" "riscv64-linux" "powerpc64le-linux" ];
    unix = linux;
    all = linux;
    darwin = [ ];
  };
}
