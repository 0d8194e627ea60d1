# lists - functions on lists.
{ lib }:
let
  inherit (builtins)
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    isList
    length
    ;
  inherit (lib) foldr imap0 take;
in
{
  inherit (builtins)
    all
    any
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    head
    isList
    length
    map
    partition
    sort
    tail
    groupBy
    ;

  singleton = x: [ x ];
  toList = x: if isList x then x else [ x ];
  optional = cond: x: if cond then [ x ] else [ ];
  optionals = cond: xs: if cond then xs else [ ];
  flatten = x: if isList x then concatMap lib.flatten x else [ x ];
  forEach = xs: f: map f xs;
  imap0 = f: xs: genList (n: f n (elemAt xs n)) (length xs);
  imap1 = f: imap0 (n: f (n + 1));
  range = first: last: if first > last then [ ] else genList (n: first + n) (last - first + 1);
  replicate = n: x: genList (_: x) n;
  last = xs: assert xs != [ ] || throw "lib.last: the list is empty"; elemAt xs (length xs - 1);
  init = xs: take (length xs - 1) xs;
  take = n: lib.sublist 0 n;
  drop = n: xs: lib.sublist n (length xs) xs;
  sublist =
    start: count: xs:
    let
      len = length xs;
      n = if start >= len then 0 else lib.min count (len - start);
    in
    genList (i: elemAt xs (i + start)) n;
  reverseList = xs: genList (n: elemAt xs (length xs - n - 1)) (length xs);

  foldr =
    op: nul: xs:
    let
      go = n: if n == length xs then nul else op (elemAt xs n) (go (n + 1));
    in
    go 0;
  fold = foldr;
  foldl = foldl';

  unique = foldl' (acc: x: if elem x acc then acc else acc ++ [ x ]) [ ];
  remove = x: filter (y: y != x);
  subtractLists = xs: filter (x: !elem x xs);
  intersectLists = xs: filter (x: elem x xs);
  mutuallyExclusive = a: b: !lib.any (x: elem x a) b;
  count = pred: foldl' (n: x: if pred x then n + 1 else n) 0;
  findFirst =
    pred: default: xs:
    let
      found = filter pred xs;
    in
    if found == [ ] then default else builtins.head found;
  zipListsWith =
    f: a: b:
    genList (n: f (elemAt a n) (elemAt b n)) (lib.min (length a) (length b));
  zipLists = lib.zipListsWith (fst: snd: { inherit fst snd; });
  naturalSort = builtins.sort builtins.lessThan;
  toposort =
    before: xs:
    let
      # The first with nothing left before it, again and again; what is left is a cycle.
      go =
        done: left:
        let
          ready = filter (x: !lib.any (y: y != x && before y x) left) left;
          next = builtins.head ready;
        in
        if left == [ ] then
          { result = done; }
        else if ready == [ ] then
          {
            cycle = left;
            loops = left;
          }
        else
          go (done ++ [ next ]) (lib.remove next left);
    in
    go [ ] xs;
}
