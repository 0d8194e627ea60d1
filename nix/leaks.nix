# leaks - what a configuration says of one container, and so gives to all: the base that
# containers share is made of it, and every one of them can read that.
#
# What is a container's own belongs in its parameters. So what is looked for is the text of a
# parameter, or of an address of the container, in what `config` says whatever the parameters
# are.
#
#   tokens   such texts: [ { text; what; } ]
#   module   the value of the option `config`, evaluated with poisoned parameters
#   args     the arguments of modules; more: those that only NixOS can give
#
# -> [ { option; text; what; } ]
{ lib }:
let
  inherit (builtins) isAttrs isFunction isList isString tryEval;

  # Its value, if it can be known without the parameters; null if not.
  known = value: let r = tryEval value; in if r.success then r.value else null;

  isWord = c: builtins.match "[A-Za-z0-9]" c != null;
  # token in text, not as a part of a longer word or number
  has =
    token: text:
    let
      parts = lib.splitString token text;
      last = s: lib.substring (lib.max 0 (lib.stringLength s - 1)) 1 s;
      edge = left: right: !(isWord (last left) || isWord (lib.substring 0 1 right));
    in
    lib.hasInfix token text && lib.any (n: edge (lib.elemAt parts n) (lib.elemAt parts (n + 1))) (
      lib.range 0 (lib.length parts - 2)
    );

  # [ { path; text; } ] - the strings of a value. What has no end (a package set) is not
  # looked into.
  strings =
    depth: path: lazy:
    let
      value = known lazy;
      under = name: strings (depth - 1) (path ++ [ name ]);
      content = strings (depth - 1) path;
    in
    if depth == 0 || value == null then
      [ ]
    else if isString value then
      [ { inherit path; text = builtins.unsafeDiscardStringContext value; } ]
    else if isList value then
      lib.concatMap content value
    else if !isAttrs value then
      [ ]
    else if value.type or null == "derivation" then
      content (value.text or null)
    else if value ? _type then
      if value._type == "if" && known value.condition == false then
        [ ]
      else
        lib.concatMap content (value.contents or [ (value.content or null) ])
    else
      lib.concatLists (lib.mapAttrsToList under value);

  # The strings of a module, and of those that it imports.
  ofModule =
    args: more: lazy:
    let
      recur = ofModule args more;
      m = known lazy;
    in
    if m == null then
      [ ]
    else if isFunction m || m ? __functor then
      let
        given = lib.mapAttrs (n: _: args.${n} or more.${n}) (
          lib.filterAttrs (n: optional: args ? ${n} || !optional || more ? ${n}) (lib.functionArgs m)
        );
      in
      recur (m (if lib.functionArgs m == { } then args else given))
    else if isAttrs m then
      lib.concatMap recur (m.imports or [ ])
      ++ strings 12 [ ] (if m ? config || m ? options then m.config or { } else removeAttrs m [ "imports" "_file" "key" ])
    else if lib.types.path.check m then
      recur (import m)
    else
      [ ];
in
{
  # Parameters of the same names, without values; fail: text to what isn't one.
  poison = fail: lib.mapAttrsRecursive (_: _: fail "a parameter");

  # [ { text; what; } ] - of parameters. Short words say nothing of where they are from.
  ofParameters =
    parameters:
    lib.filter (t: lib.stringLength t.text > 3) (
      map (s: { inherit (s) text; what = "parameter ${lib.concatStringsSep "." s.path}"; }) (strings 12 [ ] parameters)
    );
  # The same of a unit document's network.
  ofNetwork =
    network:
    lib.concatLists (
      lib.mapAttrsToList (
        name: i:
        map (address: {
          text = lib.head (lib.splitString "/" address);
          what = "address of ${name}";
        }) (i.ip4 ++ i.ip6)
      ) network.interfaces
    );

  find =
    { tokens, module, args, more }:
    lib.unique (
      lib.concatMap (
        s:
        map (t: t // { option = lib.showOption s.path; }) (lib.take 1 (lib.filter (t: has t.text s.text) tokens))
      ) (ofModule args more module)
    );
}
