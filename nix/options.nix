# The options of a declaration: what a container is and how it is run.
#
# Everything here but `config` describes the container from outside and ends in the
# unit document (see unit.nix). Wherever a list is taken, a string is too.
{ lib, config, id, ... }:
let
  inherit (lib) mkOption types;

  words = s: lib.filter (w: lib.isString w && w != "") (builtins.split "[ \t\n]+" s);

  # A list that may be written as a string of its items; null and "" are none.
  listOr = item: types.coercedTo (types.nullOr types.str) (s: if s == null then [ ] else words s) (types.listOf item);
  strings = listOr types.str;

  # "" was how "not given" was written.
  given = type: types.coercedTo types.str (s: if s == "" then null else s) (types.nullOr type);
  text = types.lines;

  # Options of the usual shapes.
  maybe = type: more: mkOption ({ default = null; inherit type; } // more);
  maybeText = maybe (given types.str);
  flag = default: more: mkOption ({ inherit default; type = types.bool; } // more);

  addresses = what: mkOption {
    type = strings;
    default = [ ];
    example = [ "10.0.0.2/24" ];
    description = what;
  };

  # The number that a string of digits is. (Leading zeros are no octal number, and none of
  # toInt's either.) What is none stays as it is: then the option's type refuses it, by name.
  toNumber =
    s:
    let
      digits = if lib.isString s then builtins.match "0*([0-9]{1,18})" s else null;
    in
    if digits == null then s else lib.toInt (lib.head digits);
  integer = types.coercedTo types.str toNumber types.int // {
    description = "integer, or a string of one";
  };
  # A number that a JSON file may hold as a string; null, "" and 0 are none.
  number = numberBut [ "" 0 ];
  # Of a VLAN 0 is none either, but to be refused: a port without one takes them all.
  vlanId = numberBut [ "" ];
  numberBut =
    none:
    types.coercedTo (types.either types.str types.int) (
      v: let n = toNumber v; in if lib.elem n none then null else n
    ) (types.nullOr types.int)
    // {
      description = "null, or integer, or a string of one";
    };

  # "src", "src:dst", "src:dst:ro"
  parseBind =
    s:
    let
      parts = lib.splitString ":" s;
      part = n: lib.elemAt parts n;
      n = lib.length parts;
    in
    if n > 3 || lib.any (p: p == "") parts || (n == 3 && !lib.elem (part 2) [ "ro" "rw" ]) then
      throw "bind: ${builtins.toJSON s}: expected \"source\", \"source:target\" or \"source:target:ro\""
    else
      {
        source = part 0;
        target = if n > 1 then part 1 else part 0;
        readOnly = n == 3 && part 2 == "ro";
      };
  bind = types.submodule (
    { config, ... }:
    {
      options = {
        source = mkOption {
          type = types.str;
          example = "/srv/logs";
          description = "The file or directory of the host.";
        };
        target = mkOption {
          type = types.str;
          default = config.source;
          defaultText = lib.literalExpression "source";
          example = "/var/log/service";
          description = "Where the container sees it.";
        };
        readOnly = flag false {
          description = "Whether the container may only read it.";
        };
      };
    }
  );

  # "NETWORK via HOP", "NETWORK on INTERFACE", "NETWORK via HOP on INTERFACE"
  parseRoute =
    s:
    let
      m = builtins.match "[ \t]*([^ \t]+)([ \t]+via[ \t]+([^ \t]+))?([ \t]+on[ \t]+([^ \t]+))?[ \t]*" s;
    in
    if m == null then
      throw "network.routes: ${builtins.toJSON s}: expected \"network via hop\", \"network on interface\" or both"
    else
      {
        to = lib.elemAt m 0;
        via = lib.elemAt m 2;
        interface = lib.elemAt m 4;
      };
  route = types.submodule {
    options = {
      to = mkOption {
        type = types.str;
        example = "10.8.0.0/16";
        description = "The network, or the one address, that is reached so.";
      };
      via = maybeText {
        example = "10.0.0.3";
        description = "The next hop, on a link of the container; null: all of `to` is on the link.";
      };
      interface = maybeText {
        example = "lan";
        description = "The interface. A next hop that is no link-local address is found without.";
      };
    };
  };

  # "8080", "tcp:8080", "tcp:8080:80", "udp:192.0.2.1:53:53", "udp:[2001:db8::1]:53:53"
  parseForward =
    s:
    let
      m = builtins.match "((tcp|udp):)?(([0-9]+[.][0-9.]+|[[]([0-9a-fA-F:.]+)]):)?([0-9]+)(:([0-9]+))?" s;
      part = lib.elemAt m;
    in
    if m == null then
      throw "network.forward: ${builtins.toJSON s}: expected \"tcp:8080\", \"tcp:8080:80\" or \"udp:[2001:db8::1]:53:53\""
    else
      {
        protocol = if part 1 == null then "tcp" else part 1;
        address = if part 4 != null then part 4 else part 3;
        hostPort = toNumber (part 5);
        port = toNumber (if part 7 == null then part 5 else part 7);
      };
  forward = types.submodule (
    { config, ... }:
    {
      options = {
        protocol = mkOption {
          type = types.enum [ "tcp" "udp" ];
          default = "tcp";
          description = "The protocol.";
        };
        address = maybeText {
          example = "2001:db8::1";
          description = "The host's address that the port is forwarded for; null: all of them.";
        };
        hostPort = mkOption {
          type = types.int;
          example = 8080;
          description = "The port of the host.";
        };
        port = mkOption {
          type = types.int;
          default = config.hostPort;
          defaultText = lib.literalExpression "hostPort";
          example = 80;
          description = "The port of the container.";
        };
      };
    }
  );

  # "key = value" lines, as in sysctl.d(5)
  parseSysctl =
    s:
    let
      settings = lib.concatMap (
        line:
        let
          blank = builtins.match "[ \t]*([#;].*)?" line != null;
          m = builtins.match "[ \t]*([^= \t]+)[ \t]*=[ \t]*(.*[^ \t])?[ \t]*" line;
        in
        if blank then
          [ ]
        else if m == null then
          throw "sysctl: ${builtins.toJSON line}: expected \"name=value\""
        else
          [ (lib.nameValuePair (lib.head m) (if lib.elemAt m 1 == null then "" else lib.elemAt m 1)) ]
      ) (lib.splitString "\n" s);
      twice = lib.filter (n: lib.count (x: x.name == n) settings > 1) (map (x: x.name) settings);
    in
    if twice != [ ] then
      throw "sysctl: ${builtins.toJSON (lib.head twice)} is given twice"
    else
      lib.listToAttrs settings;
  # 512M -> 536870912
  size =
    let
      factors = { "" = 1; K = 1024; M = 1024 * 1024; G = 1024 * 1024 * 1024; };
      parse =
        text:
        let
          m = builtins.match "([0-9]+)([KMG]?)" text;
          n = if m == null then null else toNumber (lib.head m);
        in
        if !lib.isInt n then
          throw "limits.memory: ${builtins.toJSON text}: expected a number with K, M or G"
        else
          n * factors.${lib.last m};
    in
    types.coercedTo types.str parse types.ints.positive;

  rlimit = types.coercedTo types.int (n: { soft = n; hard = n; }) (
    types.submodule {
      options.soft = mkOption {
        type = types.int;
        description = "What a process has at first.";
      };
      options.hard = mkOption {
        type = types.int;
        description = "Up to where it may raise that.";
      };
    }
  );

  sysctlValue = types.coercedTo (types.either types.bool types.int) (
    v: if v == true then "1" else if v == false then "0" else toString v
  ) types.str;

  interface = types.submodule {
    options = {
      kind = maybe (types.nullOr (types.enum [ "veth" "ovs" "bridge" "vlan" "macvlan" "host" ])) {
        description = ''
          What the interface is. By default: "ovs" where `ovs` is given; "veth" where
          `hostIp4`, `hostIp6` or `hostBridge` is, and for the interface called "veth"; otherwise
          "host", an interface of the host that is moved into the container.
        '';
      };
      ip4 = addresses "IPv4 addresses inside the container, with prefix length.";
      ip6 = addresses "IPv6 addresses inside the container, with prefix length.";
      hostIp4 = addresses "IPv4 addresses of the host's end of a veth, with prefix length.";
      hostIp6 = addresses "IPv6 addresses of the host's end of a veth, with prefix length.";
      hostBridge = maybeText {
        example = "br0";
        description = "The Linux bridge that the host's end becomes a port of.";
      };
      mtu = maybe number {
        description = "The largest packet; null: the kernel's default.";
      };
      mac = maybeText {
        example = "02:00:00:00:00:01";
        description = ''
          The hardware address; null: one that follows from the host's machine id and the
          container's id, the same at every start.
        '';
      };
      parent = maybeText {
        example = "eth0";
        description = "The interface of the host that one of kind vlan or macvlan is on.";
      };
      vlan = maybe vlanId {
        example = 12;
        description = "The 802.1q id of an interface of kind vlan.";
      };
      ovs = mkOption {
        default = null;
        description = "The Open vSwitch port that the interface is.";
        type = types.nullOr (
          types.submodule {
            options = {
              bridge = maybeText {
                example = "br0";
                description = "The Open vSwitch bridge.";
              };
              vlan = maybe vlanId {
                example = 356;
                description = "The VLAN tag of the port; null: untagged.";
              };
              trunks = mkOption {
                type = listOr integer;
                default = [ ];
                example = [ 10 20 ];
                description = "The VLANs that the port takes tagged, of no `vlan` then; none: all.";
              };
            };
          }
        );
      };
      macvlan = mkOption {
        default = null;
        description = "A macvlan beside the interface, for an address that may move (VRRP).";
        type = types.nullOr (
          types.submodule {
            options = {
              vrid = maybe number {
                example = 7;
                description = "The VRRP router id, which the hardware address is made of.";
              };
              ip4 = addresses "IPv4 addresses of the macvlan.";
              ip6 = addresses "IPv6 addresses of the macvlan.";
            };
          }
        );
      };
    };
  };
in
{
  options = {
    id = mkOption {
      type = types.str;
      default = id;
      readOnly = true;
      description = "The container's id.";
    };

    config = mkOption {
      type = types.deferredModule;
      default = { };
      example = lib.literalExpression ''{ services.httpd.enable = true; system.stateVersion = "25.11"; }'';
      description = "What the container is inside: a NixOS module (a set, a function or a file).";
    };
    nixpkgs = maybe (types.nullOr types.path) {
      example = lib.literalExpression "builtins.fetchTarball { url = …; sha256 = …; }";
      description = ''
        The nixpkgs that the system inside is made of: modules, library and packages. null: that
        of the build (`nixunits build -p`), or of the NixOS host.
      '';
    };
    specialArgs = mkOption {
      type = types.attrsOf types.raw;
      default = { };
      description = "Further arguments for the modules of `config`.";
    };
    dbus = flag false {
      description = ''
        Whether the container has a D-Bus, for services that can't do without, and for users who
        call systemctl without being root. Services that only announce themselves on it are
        started without.
      '';
    };
    systemdDeps = mkOption {
      type = strings;
      default = [ ];
      example = [ "myapp" ];
      description = ''
        Services that start only when the network is ready. Those ordered after
        network.target or network-online.target wait for it too, but start in the end
        where it does not get ready.
      '';
    };

    boot.isContainer = mkOption {
      type = types.enum [ true ];
      default = true;
      description = "That it is a container, for declarations that say so.";
    };
    autoStart = flag false {
      description = "Whether the container is started when the host is.";
    };
    bind = mkOption {
      type = types.coercedTo types.str words (types.listOf (types.coercedTo types.str parseBind bind));
      default = [ ];
      example = [ "/srv/logs:/var/log/service:ro" ];
      description = ''
        Files and directories of the host that the container sees: "source",
        "source:target", "source:target:ro", or sets of `source`, `target` and `readOnly`.
      '';
    };
    caps_allow = mkOption {
      type = strings;
      default = [ ];
      example = [ "CAP_NET_BIND_SERVICE" ];
      description = ''
        Capabilities that the container keeps. Without being named here, those that
        reach beyond the container (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_MKNOD, …) are dropped.
      '';
    };
    privateUsers = maybe (types.nullOr types.bool) {
      description = ''
        Whether the container's users are a range of their own on the host (a user
        namespace). null: yes, unless it joins a network namespace that exists.
      '';
    };
    nspawnArgs = mkOption {
      type = strings;
      default = [ ];
      example = [ "--tmpfs=/scratch" ];
      description = "Further arguments of systemd-nspawn: a list, or a string of words.";
    };
    sysctl = mkOption {
      type = types.coercedTo types.str parseSysctl (types.attrsOf sysctlValue);
      default = { };
      example = { "net.ipv4.ip_forward" = 1; };
      description = "Kernel parameters of the container's own namespaces: a set, or lines of \"name=value\".";
    };
    limits = {
      memory = maybe (types.nullOr size) {
        example = "512M";
        description = "Bytes of memory, a number or with K, M, G (of 1024); more is not had.";
      };
      pids = maybe (types.nullOr types.ints.positive) {
        example = 500;
        description = ''
          How many processes and threads. systemd inside lets one service have 15 % of them
          (`DefaultTasksMax` of systemd-system.conf(5)).
        '';
      };
      cpu = maybe (types.nullOr types.ints.positive) {
        example = 150;
        description = "Percent of one CPU.";
      };
      rlimits = mkOption {
        type = types.attrsOf rlimit;
        default = { };
        example = { nofile = { soft = 1024; hard = 4096; }; };
        description = "Resource limits of getrlimit(2): one number, or soft and hard; -1 is none.";
      };
    };
    extra = mkOption {
      type = text;
      default = "";
      description = "Shell commands that run in the container when it has started, by its /bin/sh.";
    };
    preCheckNetReadyScript = maybe (types.nullOr (types.either types.path text)) {
      description = ''
        A program of the container, or shell commands, that must succeed before the
        network counts as ready, within 90 s of the container's start. What begins
        with "/" and has no blanks is a program's path.
      '';
    };

    netns_path = maybeText {
      description = "The same as `network.netns_path`.";
    };
    network = {
      private = flag true {
        description = "Whether the container has a network of its own; if not, it shares the host's.";
      };
      netns_path = maybeText {
        example = "/run/netns/blue";
        description = ''
          A network namespace that exists, which the container joins. It can't have
          interfaces nor a user namespace then.
        '';
      };
      interfaces = mkOption {
        type = types.attrsOf interface;
        default = { };
        description = "Network interfaces, by their name in the container.";
      };
      ip4route = maybeText {
        example = "10.0.0.254";
        description = "The gateway of the IPv4 default route.";
      };
      ip6route = maybeText {
        example = "2001:db8::1";
        description = "The gateway of the IPv6 default route.";
      };
      routes = mkOption {
        type = types.coercedTo types.str (s: lib.filter (l: words l != [ ]) (lib.splitString "\n" s)) (
          types.listOf (types.coercedTo types.str parseRoute route)
        );
        default = [ ];
        example = [ "10.8.0.0/16 via 10.0.0.3" ];
        description = ''
          Further routes: "network via hop", "network on interface", "network via hop on
          interface", or sets of `to`, `via` and `interface`. A string has one a line.
        '';
      };
      forward = mkOption {
        type = types.coercedTo types.str words (types.listOf (types.coercedTo types.str parseForward forward));
        default = [ ];
        example = [ "tcp:8080:80" "udp:[2001:db8::1]:53:53" ];
        description = ''
          Ports of the host that lead to the container's: "protocol:address:port of the
          host:port of the container", or sets of `protocol`, `address`, `hostPort` and `port`.
          Protocol, address and the container's port may be left out. Needs a veth with addresses
          at both ends; for other hosts' connections, forwarding on the host.
        '';
      };
      dns = mkOption {
        type = types.coercedTo types.str (
          s: if lib.elem s [ "copy" "none" ] then s else words s
        ) (types.either (types.enum [ "copy" "none" ]) (types.listOf types.str));
        default = "copy";
        example = [ "9.9.9.9" ];
        description = "The container's resolvers: the host's (\"copy\"), \"none\", or these.";
      };
      hosts = flag false {
        description = ''
          Whether the names of all units of the host are in the container's /etc/hosts, with
          the addresses that they declare. It is kept up to date while the container runs.
        '';
      };
      nft = mkOption {
        type = text;
        default = "";
        description = "An nftables ruleset for the container's network.";
      };
    };
  };
}
