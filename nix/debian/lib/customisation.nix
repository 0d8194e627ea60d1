# customisation - calling packages with what they ask for, and overriding it.
{ lib }:
{
  makeOverridable =
    f: args:
    let
      result = f args;
      override = new: lib.makeOverridable f (args // (if lib.isFunction new then new args else new));
    in
    if builtins.isAttrs result then
      result // { inherit override; }
    else if lib.isFunction result then
      lib.setFunctionArgs result (lib.functionArgs result) // { inherit override; }
    else
      result;

  callPackageWith =
    autoArgs: fn: args:
    let
      f = if lib.isFunction fn then fn else import fn;
      wanted = lib.functionArgs f;
      missing = lib.filter (n: !wanted.${n} && !autoArgs ? ${n} && !args ? ${n}) (lib.attrNames wanted);
    in
    if missing != [ ] then
      throw "callPackage: no argument \"${lib.head missing}\" for ${
        if lib.isFunction fn then "the function" else toString fn
      }"
    else
      lib.makeOverridable f (builtins.intersectAttrs wanted autoArgs // args);

  callPackagesWith = autoArgs: fn: args: removeAttrs (lib.callPackageWith autoArgs fn args) [ "override" ];

  makeScope =
    newScope: f:
    let
      self = f self // {
        newScope = extra: newScope (self // extra);
        callPackage = self.newScope { };
        overrideScope = g: lib.makeScope newScope (lib.extends g f);
        packages = f;
      };
    in
    self;
}
