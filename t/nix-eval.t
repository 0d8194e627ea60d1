#!/bin/sh
# What a declaration evaluates to: its options and their spellings, the unit documents of the
# README's examples (t/golden), what is reported as read, what is not evaluated, and the messages.
# Nothing is built, and no installed Debian package counts: the index is t/golden/dpkg.json.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
GOLDEN=$REPO/t/golden
need nix-instantiate jq

export NIX_CONFIG='build-users-group =
substituters =' NIX_STATE_DIR="$T/var" NIX_CONF_DIR="$T" HOME="$T"
instantiate() { timeout 100 nix-instantiate --store "$T/root" --eval --strict --json "$@"; }

# evaluate DECLARATION ATTR [ARG...] - of the container `t', or another --argstr id
evaluate() {
	local file="$1" attr="$2" id=t
	shift 2
	case " $* " in *" id "*) ;; *) set -- --argstr id $id "$@" ;; esac
	instantiate -A "$attr" --argstr configuration "$file" --argstr nixpkgs "$REPO/nix/debian" \
		--argstr dpkg "$GOLDEN/dpkg.json" --argstr system x86_64-linux "$@" "$REPO/nix/default.nix"
}
# the same of a declaration given as text
declared() {
	local text="$1"
	shift
	printf '%s\n' "$text" >"$T/declared.nix"
	evaluate "$T/declared.nix" "$@"
}
said() { sed -n 's/^trace: nixunits read: //p'; }
# gives TEXT ATTR WANT [NAME] - a declaration's text, a part of its document, the part's value
gives() {
	run declared "$1" "document.$2"
	is "$(printf '%s' "$out" | jq -cS .) $(printf '%s' "$err" | grep -v '^trace: nixunits ')" \
		"$(printf '%s' "$3" | jq -cS .) " "${4:-$1}"
}
# refuses TEXT ATTR REGEX [NAME] - a declaration that doesn't evaluate, and what is said
refuses() {
	run declared "$1" "document${2:+.}$2"
	if [ "$status" = 0 ]; then
		fail "${4:-refused: $1}"
		tap_shown "$out"
	else
		like "$err" "$3" "${4:-refused: $1}"
	fi
}

# The examples of the documentation. golden NAME ID [DIRECTORY]
golden() {
	run evaluate "${3:-$GOLDEN}/$1.nix" document --argstr parameters "${3:-$GOLDEN}/$2.json" --argstr id "$2"
	succeeds "$1.nix with $2.json evaluates"
	printf '%s' "$out" | sed -E 's,/nix/store/[a-z0-9]{32}-,/nix/store/HASH-,g' | jq -S . >"$T/golden"
	[ -z "${UPDATE:-}" ] || cp "$T/golden" "$GOLDEN/$2.unit.json"
	is "$(cat "$T/golden")" "$(cat "$GOLDEN/$2.unit.json")" "$1.nix with $2.json: the unit document"
}
golden web_default web2
golden router router1
awk '/^## /{ here = /larger declaration/ } here && /^```/ { code = $0 == "```nix"; next } here && code' "$REPO/README.md" >"$T/large.nix"
awk '/^## /{ here = /A declaration/ } here && /^```/ { code = $0 == "```nix"; next } here && code' "$REPO/nix/README.md" >"$T/small.nix"
echo '{ caps_allow = [ "CAP_NET_RAW" ]; }' >"$T/site.nix"
echo '{"number": 7}' >"$T/large.json"
echo '{"ip4": "10.0.0.4/31"}' >"$T/small.json"
golden large large "$T"
golden small small "$T"

# What the shared base holds.
base=$(evaluate "$GOLDEN/web_default.nix" document.system --argstr id dummy 2>/dev/null)
like "$base" '^"/nix/store/' 'the base evaluates without parameters'
is "$(evaluate "$GOLDEN/web_default.nix" document.system --argstr parameters "$GOLDEN/web2.json" 2>/dev/null)" \
	"$base" 'neither id nor addresses are part of the system'
isnt "$(declared '{ config.environment.etc.x.text = ""; }' document.system 2>/dev/null)" "$base" \
	'another config is another system'

# Laziness.
gives '{ config = throw "evaluated"; network.interfaces.veth.ip4 = "10.0.0.2/31"; }' \
	network.interfaces.veth.ip4 '["10.0.0.2/31"]' 'the network does not need the config'
gives '{ config = { a = throw "evaluated"; }; bind = "/srv"; }' \
	'bind' '[{"readOnly": false, "source": "/srv", "target": "/srv"}]' 'nor do binds'
printf '%s' '{ config = throw "evaluated"; network.interfaces.veth.ip4 = "10.0.0.2/31"; }' >"$T/only.nix"
is "$(env -u NIX_CONFIG -u NIX_STATE_DIR -u NIX_CONF_DIR NIXUNITS_NIX="$REPO/nix" "$REPO/build/nixunits" eval -n "$T/only.nix" \
	-i t -p "$REPO/nix/debian" --only network.interfaces.veth.ip4 2>&1 | jq -c .)" '["10.0.0.2/31"]' 'nu-eval --only network neither'
run declared '{ network.interfaces = throw "evaluated"; bind = throw "evaluated"; config.services.httpd.enable = true; }' \
	document.system
succeeds 'the config needs neither'
removed() { declared '{ config = { lib, ... }: {
	imports = [ (lib.mkRemovedOptionModule [ "boot" "bcache" "enable" ] "It is gone.") ]; '"$1"' }; }' document.system; }
run removed
succeeds 'what a release has removed the profile does not set'
run removed 'boot.bcache.enable = true;'
like "$err" 'boot.bcache.enable.*It is gone' 'who does, is told'

# Defaults.
gives '{ }' network '{ "private": true, "netns": null, "interfaces": {}, "dns": "copy", "hosts": null, "nft": null, "forward": [],
	"routes": { "ip4": null, "ip6": null, "static": [] } }' 'without a network: a private one'
gives '{ }' privateUsers true 'a user namespace'
gives '{ network.private = false; }' network.private false
gives '{ network.hosts = true; }' network.hosts '"127.0.0.1 localhost\n::1 localhost\n"'
gives '{ network.hosts = true; config.networking = { hostName = "a"; domain = "b.c"; extraHosts = "::2 d\n"; }; }' \
	network.hosts '"127.0.0.1 localhost\n::1 localhost\n127.0.0.2 a.b.c a\n::2 d\n"'
gives '{ }' caps '[]'
gives '{ }' autoStart false
gives '{ id, ... }: { extra = id; }' extra '"t"'

# Spellings: a string is valid wherever a list is.
gives '{ nspawnArgs = "--a=b  --c"; }' nspawnArgs '["--a=b", "--c"]'
gives '{ nspawnArgs = [ "--a=b c" "--d" ]; }' nspawnArgs '["--a=b c", "--d"]'
gives '{ nspawnArgs = ""; }' nspawnArgs '[]'
gives '{ caps_allow = "CAP_NET_ADMIN"; }' caps '["CAP_NET_ADMIN"]'
gives '{ caps_allow = [ "CAP_NET_RAW" "CAP_NET_RAW" ]; }' caps '["CAP_NET_RAW"]'
for i in ip4 ip6 hostIp4 hostIp6; do
	gives "{ network.interfaces.veth.$i = \"a/1\"; }" "network.interfaces.veth.$i" '["a/1"]'
	gives "{ network.interfaces.veth.$i = [ \"a/1\" \"b/2\" ]; }" "network.interfaces.veth.$i" '["a/1", "b/2"]'
	gives "{ network.interfaces.veth.$i = \"\"; }" "network.interfaces.veth.$i" '[]'
done
gives '{ bind = "/a"; }' bind '[{"source": "/a", "target": "/a", "readOnly": false}]'
gives '{ bind = [ "/a:/b" "/c:/d:ro" "/e:/f:rw" ]; }' bind '[
	{"source": "/a", "target": "/b", "readOnly": false},
	{"source": "/c", "target": "/d", "readOnly": true},
	{"source": "/e", "target": "/f", "readOnly": false}]'
gives '{ bind = [ { source = "/a"; target = "/b"; readOnly = true; } { source = "/c"; } ]; }' bind '[
	{"source": "/a", "target": "/b", "readOnly": true},
	{"source": "/c", "target": "/c", "readOnly": false}]'
gives '{ sysctl = "a.b=1\n# no\n  c.d = e f \n\n"; }' sysctl '{"a.b": "1", "c.d": "e f"}'
gives '{ sysctl = { "a.b" = 1; "c.d" = true; e = "f"; }; }' sysctl '{"a.b": "1", "c.d": "1", "e": "f"}'
gives '{ netns_path = "/run/netns/x"; }' network.netns '"/run/netns/x"'
gives '{ network.netns_path = "/run/netns/x"; }' network.netns '"/run/netns/x"'
gives '{ netns_path = ""; }' network.netns null
gives '{ netns_path = "/run/netns/x"; }' privateUsers false 'no user namespace with a given network namespace'
gives '{ network.routes = [ "10.8.0.0/16 via 10.0.0.3" "fd08::/64  via fe80::3 on lan" "10.9.0.1 on lan"
	{ to = "10.7.0.0/16"; via = "10.0.0.4"; interface = ""; } ]; }' network.routes.static '[
	{"to": "10.8.0.0/16", "via": "10.0.0.3", "interface": null},
	{"to": "fd08::/64", "via": "fe80::3", "interface": "lan"},
	{"to": "10.9.0.1", "via": null, "interface": "lan"},
	{"to": "10.7.0.0/16", "via": "10.0.0.4", "interface": null}]'
gives '{ network.routes = "10.8.0.0/16 via 10.0.0.3\n\n10.9.0.0/16 via 10.0.0.3\n"; }' network.routes.static '[
	{"to": "10.8.0.0/16", "via": "10.0.0.3", "interface": null},
	{"to": "10.9.0.0/16", "via": "10.0.0.3", "interface": null}]'
refuses '{ network.routes = [ "10.8.0.0/16 10.0.0.3" ]; }' network.routes \
	'network.routes: "10.8.0.0/16 10.0.0.3": expected "network via hop"'
gives '{ network.forward = [ "8080" "tcp:8081:80" "udp:[2001:db8::1]:53:5353" "tcp:192.0.2.1:22:22"
	{ protocol = "udp"; hostPort = 67; } ]; }' network.forward '[
	{"protocol": "tcp", "address": null, "hostPort": 8080, "port": 8080},
	{"protocol": "tcp", "address": null, "hostPort": 8081, "port": 80},
	{"protocol": "udp", "address": "2001:db8::1", "hostPort": 53, "port": 5353},
	{"protocol": "tcp", "address": "192.0.2.1", "hostPort": 22, "port": 22},
	{"protocol": "udp", "address": null, "hostPort": 67, "port": 67}]'
gives '{ network.forward = "tcp:80 udp:53"; }' network.forward '[
	{"protocol": "tcp", "address": null, "hostPort": 80, "port": 80},
	{"protocol": "udp", "address": null, "hostPort": 53, "port": 53}]'
for bad in sctp:80 tcp:http tcp:2001:db8::1:80:80 tcp:80:80:80:80 tcp:; do
	refuses "{ network.forward = [ \"$bad\" ]; }" network.forward \
		"network.forward: \"$bad\": expected \"tcp:8080\""
done
gives '{ network.dns = "none"; }' network.dns '"none"'
gives '{ network.dns = "9.9.9.9"; }' network.dns '["9.9.9.9"]'
gives '{ network.dns = [ "9.9.9.9" "::1" ]; }' network.dns '["9.9.9.9", "::1"]'
gives '{ network.interfaces.e.mtu = "1400"; }' network.interfaces.e.mtu 1400
gives '{ network.interfaces.e.macvlan = { vrid = "7"; ip4 = "a/1"; }; }' network.interfaces.e.macvlan \
	'{"vrid": 7, "ip4": ["a/1"], "ip6": []}'
gives '{ network.interfaces.e.ovs = { bridge = "br0"; vlan = ""; }; }' network.interfaces.e.ovs \
	'{"bridge": "br0", "vlan": null, "trunks": []}' 'no VLAN: untagged'
gives '{ network.interfaces.e.ovs = { bridge = "br0"; trunks = [ 10 20 ]; }; }' network.interfaces.e.ovs \
	'{"bridge": "br0", "vlan": null, "trunks": [10, 20]}'
for trunks in '"10 20"' '[ "10" "020" ]'; do
	gives "{ network.interfaces.e.ovs = { bridge = \"br0\"; trunks = $trunks; }; }" network.interfaces.e.ovs.trunks '[10, 20]'
done
gives '{ network.interfaces.e.ovs.bridge = ""; }' network.interfaces.e.ovs null 'no bridge: no port'
gives '{ network.interfaces.e.ovs = { bridge = ""; vlan = 0; trunks = ""; }; }' network.interfaces.e.ovs null 'nor with a VLAN of 0'
for some in 'vlan = 356' 'trunks = [ 1 ]'; do
	refuses "{ network.interfaces.e.ovs.$some; }" network.interfaces.e.kind 'network.interfaces.e.ovs.bridge is not given'
done
gives '{ network.interfaces.e = { kind = "vlan"; vlan = "0356"; }; }' network.interfaces.e.vlan 356
gives '{ network.interfaces.e.mtu = "00"; }' network.interfaces.e.mtu null
gives '{ network.forward = "tcp:0080"; }' network.forward \
	'[{"protocol": "tcp", "address": null, "hostPort": 80, "port": 80}]'
gives '{ limits.memory = "0512K"; }' limits.memory 524288
gives '{ preCheckNetReadyScript = "/bin/true"; }' readyCheck '"/bin/true"'
like "$(declared '{ preCheckNetReadyScript = "true"; }' document.readyCheck 2>/dev/null)" \
	'^"/nix/store/.*-ready-check"$' 'preCheckNetReadyScript as shell commands'
for command in '"/bin/ping -c1 10.0.0.1"' '"/bin/a\n/bin/b"' '"/bin/a\t-b"'; do
	like "$(declared "{ preCheckNetReadyScript = $command; }" document.readyCheck 2>/dev/null)" \
		'^"/nix/store/.*-ready-check"$' "$command is no program's path"
done
echo true >"$T/ready"
like "$(declared '{ preCheckNetReadyScript = ./ready; }' document.readyCheck 2>/dev/null)" '^"/nix/store/.*-ready"$' 'a file is'

# The kind of an interface.
kind() { gives "{ network.interfaces.$1; }" "network.interfaces.${1%%[. ]*}.kind" "\"$2\"" "$1: $2"; }
kind 'veth.ip4 = "a"' veth
kind 'e.ip4 = "a"' host
kind 'e.hostIp4 = "a"' veth
kind 'e.hostIp6 = "a"' veth
kind 'e.hostBridge = "br0"' veth
kind 'e.ovs.bridge = "br0"' ovs
kind 'veth.kind = "host"' host
kind 'e.kind = "macvlan"' macvlan

# What config may be.
for config in '{ environment.etc.x.text = "y"; }' '{ lib, pkgs, config, ... }: { environment.etc.x.text = lib.mkForce "y"; }' \
	'{ imports = [ { environment.etc.x.text = "y"; } ]; }' '"/'"$T"'/module.nix"'; do
	echo '{ pkgs, ... }: { imports = [ ./more.nix ]; }' >"$T/module.nix"
	echo '{ environment.etc.x.text = "y"; }' >"$T/more.nix"
	run declared "{ config = $config; }" document.system
	succeeds "config = $config"
done
run declared '{ specialArgs.word = "y"; config = { word, ... }: { environment.etc.x.text = word; }; }' document.system
succeeds 'specialArgs reach the modules of config'
gives '{ self_config, ... }: { extra = self_config.networking.hostName; config.networking.hostName = "inside"; }' extra '"inside"' \
	'self_config is the system inside'
# A nixpkgs of the declaration's own.
mkdir "$T/named" && cp -r "$REPO/nix/debian" "$T/named/nixpkgs" && mv "$T/named/nixpkgs/default.nix" "$T/named/nixpkgs/debian.nix"
sed -i 's/default = "Debian"/default = "Another"/' "$T/named/nixpkgs/nixos/modules/misc/version.nix"
echo "args: import ./debian.nix (args // { dpkg = $GOLDEN/dpkg.json; }) // { origin = \"another\"; }" >"$T/named/nixpkgs/default.nix"
echo '{ nixpkgs = ./nixpkgs; config = { pkgs, ... }: { networking.hostName = pkgs.origin; }; network.hosts = true; }' >"$T/named/config.nix"
run evaluate "$T/named/config.nix" document
is "$(printf '%s' "$out" | jq -c '[.os.name, .network.hosts]')" '["Another","127.0.0.1 localhost\n::1 localhost\n127.0.0.2 another\n"]' \
	'nixpkgs: the modules are from there, and the packages'
is "$(printf '%s\n' "$err" | said | grep -v ' /etc/' | sort)" "file $T/named/config.nix
nixpkgs $T/named/nixpkgs" 'and it is told where that is'
mkdir "$T/copy" && mv "$T/named" "$T/real" && mkdir -p "$T/copy$T" && cp -r "$T/real" "$T/copy$T/named" && rm -r "$T/copy$T/named/nixpkgs" && mv "$T/real" "$T/named"
is "$(evaluate "$T/copy$T/named/config.nix" document --argstr copy "$T/copy" 2>/dev/null | jq -r .os.name)" Another \
	'a copy of the declaration has it from where it was'
refuses '{ nixpkgs = /nowhere; }' os 'nixpkgs: /nowhere: not a nixpkgs'
gives '{ imports = [ { bind = "/a"; } ({ properties, ... }: { bind = [ "/b" ]; }) ]; bind = "/c"; }' bind '[
	{"source": "/b", "target": "/b", "readOnly": false}, {"source": "/a", "target": "/a", "readOnly": false},
	{"source": "/c", "target": "/c", "readOnly": false}]' 'a declaration imports declarations'
mkdir "$T/diamond"
for i in left right; do
	echo '{ imports = [ ./end.nix ./top.nix ]; }' >"$T/diamond/$i.nix"
done
echo '{ bind = "/end"; }' >"$T/diamond/end.nix"
echo '{ imports = [ ./left.nix ./right.nix ]; bind = "/top"; }' >"$T/diamond/top.nix"
is "$(evaluate "$T/diamond/top.nix" document.bind 2>/dev/null | jq -c 'map(.source)')" '["/end","/top"]' \
	'a file that is imported twice, or in a circle, is one declaration'
run declared '{ config = { pkgs, ... }: { nixpkgs.config.allowUnfree = true; nixpkgs.overlays = [ (_: _: { mine = "y"; }) ];
	environment.etc.x.text = pkgs.mine; }; }' document.system
succeeds 'a configuration and overlays of nixpkgs'
echo '{"name": {"first": "x"}}' >"$T/parameters.json"
run declared '{ properties, ... }: { extra = properties.name.first; }' document.extra --argstr parameters "$T/parameters.json"
is "$out" '"x"' 'properties are the parameters'

# Every option as the first versions of nixunits had it: each a string where it was one.
cat >"$T/first.nix" <<-X
	{ pkgs, properties, lib, config, id, self_config, ... }: {
	  autoStart = true;
	  bind = [ "/srv/logs:/var/log/service" ];
	  boot.isContainer = true;
	  caps_allow = [ "CAP_NET_ADMIN" ];
	  specialArgs.word = "y";
	  config = { systemdDeps = [ "x" ]; systemd.services.x.script = "true"; networking.hostName = "first"; };
	  extra = "echo \${self_config.networking.hostName}";
	  nspawnArgs = [ "--drop-capability=CAP_SYS_CHROOT" ];
	  nixpkgs = $T/named/nixpkgs;
	  network = {
	    interfaces = {
	      veth = { ip4 = "10.0.0.2/31"; hostIp4 = "10.0.0.3/31"; ip6 = ""; hostIp6 = ""; ovs = { }; macvlan = null; };
	      lan = { ip4 = "10.1.0.2/24"; ovs = { bridge = "br0"; vlan = 10; }; macvlan = { ip4 = "10.1.0.3/24"; ip6 = ""; vrid = "7"; }; };
	    };
	    ip4route = "10.1.0.1"; ip6route = ""; netns_path = ""; nft = "";
	  };
	  preCheckNetReadyScript = null;
	  sysctl = "";
	}
X
run evaluate "$T/first.nix" document --argstr toolbox "$REPO/build/nixunits"
is "$(printf '%s' "$out" | jq -c '[.autoStart, .bind[0].target, .caps, .extra, .nspawnArgs, .sysctl, .readyCheck, .network.netns, .network.routes.ip4,
	.network.interfaces.lan.ovs, .network.interfaces.lan.macvlan, .network.interfaces.veth.kind]')" \
	'[true,"/var/log/service",["CAP_NET_ADMIN"],"echo first",["--drop-capability=CAP_SYS_CHROOT"],{},null,null,"10.1.0.1",{"bridge":"br0","trunks":[],"vlan":10},{"ip4":["10.1.0.3/24"],"ip6":[],"vrid":7},"veth"]' \
	'a declaration of the first versions means the same'

# Refusals, by name.
refuses '{ capsAllow = [ ]; }' '' 'The option `capsAllow.*does not exist'
like "$err" "$T/declared.nix" 'and the file'
refuses '{ network.interface.veth = { }; }' network 'The option `network.interface.*does not exist'
refuses '{ network.interfaces.veth.ip = "a"; }' network 'The option `network.interfaces.veth.ip.*does not exist'
refuses '{ config.services.httpd.enabl = true; }' system 'The option `services.httpd.enabl.*does not exist'
refuses '{ config.services.no-such.enable = true; }' system 'The option `services.no-such.*does not exist'
refuses '{ autoStart = "yes"; }' autoStart 'option `autoStart. is not of type `boolean'
refuses '{ network.interfaces.e.kind = "tap"; }' network 'option `network.interfaces.e.kind'
refuses '{ network.dns = 9; }' network 'option `network.dns'
refuses '{ bind = "/a:/b:/c"; }' bind 'bind: "/a:/b:/c": expected'
refuses '{ bind = "/a:"; }' bind 'bind: "/a:": expected'
refuses '{ bind = [ { target = "/a"; } ]; }' bind 'source. is used but not defined|used but has no value'
refuses '{ sysctl = "a b"; }' sysctl 'sysctl: "a b": expected'
refuses '{ sysctl = "a=1\nb=2\n a = 3"; }' sysctl 'sysctl: "a" is given twice'
refuses '{ netns_path = "/a"; network.netns_path = "/b"; }' network 'differ: /a, /b'
for value in '"big"' '"1400 "' '"99999999999999999999"' true; do
	refuses "{ network.interfaces.e.mtu = $value; }" network 'option .network.interfaces.e.mtu. is not of type'
	like "$err" "declared.nix.: $value" 'and the value'
done
refuses '{ network.interfaces.e.ovs = { bridge = "b"; trunks = "10 x"; }; }' network 'network.interfaces.e.ovs.trunks.* is not of type'
refuses '{ network.interfaces.e.macvlan.vrid = "x"; }' network 'option .network.interfaces.e.macvlan.vrid. is not'
for value in 512Mi 99999999999999999999 M; do
	refuses "{ limits.memory = \"$value\"; }" limits "limits.memory: \"$value\": expected a number"
done
refuses '[ ]' '' 'a declaration is a set'
refuses '{ id = "other"; }' id 'option `id. is read-only'
refuses '{ config.services.nginx.enable = true; }' system 'apt-get install nginx$' 'a Debian package that the host lacks'
refuses '{ config = { pkgs, ... }: { environment.systemPackages = [ pkgs.no-such-package ]; }; }' system no-such-package
refuses '{ config.services.openssh.enable = true; }' system 'services.openssh.enable. can.t be on' 'a service that the package set lacks'
refuses '{ config.assertions = [ { assertion = false; message = "not like this"; } ]; }' system 'not like this'
refuses '{ config.systemd.services.x.wantedBy = [ "multi-user.target" ]; }' system 'systemd.services.x: nothing to start'
refuses '{ config.users.users.x = { isSystemUser = true; group = "y"; }; }' system 'group y is not declared'
for parameters in '[ ]' '{' ''; do
	printf '%s' "$parameters" >"$T/parameters.json"
	not_ok "parameters: '$parameters'" declared '{ properties, ... }: { extra = toString (properties ? x); }' \
		document.extra --argstr parameters "$T/parameters.json"
done

# Each thing read is told.
mkdir -p "$T/user/dir" "$T/user/lib" "$T/user/tree/below" "$T/user/source" "$T/user/more"
touch "$T/user/tree/below/file"
echo '{ "a": 1 }' >"$T/user/data.json"
echo text | tee "$T/user/text" "$T/user/text2" "$T/user/text3" >"$T/user/dir/file"
echo '{ extra = builtins.readFile ./text; }' >"$T/user/imported.nix"
echo '{ lib, ... }: { imports = [ ./module2.nix ]; environment.etc.x.text = builtins.readFile ./text2; }' >"$T/user/module.nix"
echo '{ lib, pkgs, ... }: { environment.etc.y.text = toString (lib.filesystem.listFilesRecursive ./tree)
	+ "${lib.cleanSource ./source}${toString (pkgs.lib.attrNames (pkgs.lib.readDir ./more))}"; }' >"$T/user/module2.nix"
echo 'builtins.readFile ../text3' >"$T/user/lib/default.nix"
cat >"$T/user/config.nix" <<-'X'
	{ lib, pkgs, ... }: {
	  imports = [ ./imported.nix ];
	  network.nft = import ./lib;
	  bind = lib.attrNames (builtins.readDir ./dir);
	  caps_allow = lib.optional (builtins.pathExists ./nothing) "x" ++ lib.attrNames (lib.importJSON ./data.json);
	  nspawnArgs = [ (toString (__pathExists ./nothing2)) "${builtins.path { path = ./dir; name = "d"; }}" "${builtins.filterSource (_: _: true) ./lib}" ];
	  config.imports = [ ./module.nix ];
	}
X
run evaluate "$T/user/config.nix" document
succeeds 'a declaration of several files evaluates'
is "$(printf '%s\n' "$err" | said | sed "s,$T/user,," | grep -v '/etc/' | sort -u)" 'dir /dir
dir /more
dir /tree
dir /tree/below
exists /nothing
exists /nothing2
file /config.nix
file /data.json
file /imported.nix
file /lib/default.nix
file /module.nix
file /module2.nix
file /text
file /text2
file /text3
path /dir
path /lib
path /source' 'every file that it reads is told, each by its kind, whoever reads it for the declaration'
if [ -d "${NIXUNITS_NIXPKGS:-}/lib/fileset" ]; then
	echo '{ lib, ... }: { extra = toString (lib.fileset.toList (lib.fileset.fileFilter (_: true) ./tree)); }' >"$T/user/set.nix"
	like "$(evaluate "$T/user/set.nix" document.extra --argstr nixos "$NIXUNITS_NIXPKGS" 2>&1 | said)" "^dir $T/user/tree/below$" \
		"so are the directories that nixpkgs' library reads"
fi
unlike "$(evaluate "$GOLDEN/web_default.nix" document 2>&1 >/dev/null | said)" "$REPO/nix" 'our own files are not the user'"'"'s'
tar -C "$REPO/nix" -czf "$T/tree.tar.gz" debian
is "$(evaluate "$T/only.nix" document.network --arg nixpkgs "builtins.fetchTarball \"file://$T/tree.tar.gz\"" 2>&1 | grep -v '^warning\|^unpacking')" \
	"trace: nixunits read: file $T/only.nix
$(evaluate "$T/only.nix" document.network 2>/dev/null)" 'nor are those of a nixpkgs in a store that is elsewhere'

# What the base that containers share would tell of this one.
cat >"$T/leak.nix" <<-'X'
	{ properties, ... }: {
	  network.interfaces.veth.ip4 = properties.ip4;
	  network.interfaces.lan.ip4 = "10.9.8.7/24";
	  config = { pkgs, lib, config, ... }: {
	    imports = [ { services.httpd.virtualHosts.a.listen = [ { ip = "192.168.20.2"; } ]; } ];
	    services.httpd.enable = true;
	    services.httpd.virtualHosts.b.documentRoot = "/srv/${properties.name or "x"}";
	    environment.etc.text.text = "listen 10.9.8.7;";
	    environment.etc.longer.text = "listen 192.168.20.25 for webserver2;";
	    environment.etc.conditional.text = lib.mkIf config.services.httpd.enable "I am webserver";
	    environment.etc.never.text = lib.mkIf false "I am webserver";
	    environment.etc.file.source = pkgs.writeText "v" "I am webserver";
	    environment.etc.indirect.text = config.services.httpd.virtualHosts.b.documentRoot;
	    environment.etc.given.text = properties.name;
	    nixpkgs.overlays = [ (_: _: { mine = "I am webserver"; }) ];
	    environment.etc.own.text = pkgs.mine;
	  };
	}
X
echo '{"ip4": "192.168.20.2/24", "name": "webserver", "address": ["192.168.20.2"]}' >"$T/leak.json"
is "$(evaluate "$T/leak.nix" leaks --argstr parameters "$T/leak.json" 2>/dev/null | jq -r '.[] | "\(.option): \(.text), \(.what)"')" \
	'services.httpd.virtualHosts.a.listen.ip: 192.168.20.2, parameter address
environment.etc.conditional.text: webserver, parameter name
environment.etc.file.source: webserver, parameter name
environment.etc.own.text: webserver, parameter name
environment.etc.text.text: 10.9.8.7, address of lan' 'what the configuration says whatever the parameters are, is found'
run evaluate "$T/leak.nix" strict --argstr parameters "$T/leak.json"
like "$err" 'error: config.services.httpd.virtualHosts.a.listen.ip says "192.168.20.2", the parameter address' \
	'and can be made an error'
run evaluate "$T/leak.nix" unit.name --argstr parameters "$T/leak.json"
like "$out$err" '^trace: nixunits warns: config.environment.etc.text.text says "10.9.8.7", the address of lan' \
	'it is warned of where a container is built'
for file in web_default.nix:web2.json router.nix:router1.json; do
	is "$(evaluate "$GOLDEN/${file%:*}" leaks --argstr parameters "$GOLDEN/${file#*:}" 2>/dev/null)" '[]' \
		"${file%:*} tells nothing"
done
is "$(evaluate "$T/named/config.nix" leaks --argstr parameters "$T/leak.json" 2>/dev/null)" '[]' \
	'nor does one of a nixpkgs of its own, with a package that is there alone'

# What evaluations learn of systems that containers share.
learns() {	# learns TEXT PARAMETERS [ID] - of a container; without parameters, of the base
	printf '%s\n' "$1" >"$T/learns.nix"
	set -- "${2:-}" "${3:-t}"
	[ -z "$1" ] || printf '%s' "$1" >"$T/learns.json"
	if [ "$1" ]; then
		evaluate "$T/learns.nix" unit.drvPath --argstr id "$2" --argstr parameters "$T/learns.json"
	else
		evaluate "$T/learns.nix" system.drvPath --argstr id dummy
	fi 2>&1 >/dev/null | sed -n 's/^trace: nixunits \(shares: \|looks\)/\1/p'
}
same='{ properties, ... }: { extra = properties.a or ""; config.environment.etc.x.text = toString (properties ? b); }'
one=$(learns "$same" '{"a": "one"}')
like "$one" '^shares: \{"[0-9a-f]{64}":\{.*"system":"/nix/store/' 'a system that depends on no value of a parameter is shared'
is "$(learns "$same" '{"a": "two"}' u)" "$one" 'whatever the values and the id are'
isnt "$(learns "$same" '{"a": "one", "b": 1}')" "$one" 'but not the names'
like "$(learns '{ properties, ... }: { config.environment.etc.x.text = properties.a; }' '{"a": "one"}')" \
	'^shares: \{"[0-9a-f]{64}":false\}$' 'one that depends on a value is not'
like "$(learns '{ id, ... }: { config.environment.etc.x.text = id; }' '{"a": "one"}')" ':false\}$' 'nor one of the id'
like "$(learns '{ properties, ... }: { caps_allow = properties.a; config.systemd.services.x.serviceConfig = { ExecStart = "/x"; BindPaths = "/a"; }; }' \
	'{"a": "CAP_SYS_ADMIN"}')" ':false\}$' 'nor one of another option that does'
like "$(learns '{ properties, ... }: { extra = properties.a; config.environment.etc.x.text = if (builtins.tryEval properties.a).success then "a" else "b"; }' \
	'{"a": "one"}')" '^looks' 'of one that catches what a look at a parameter gives, it is told that there was a look'
unlike "$one" looks 'and of one without a look, none'
unlike "$(learns '{ properties, ... }: { extra = properties.a; config.environment.etc.x.text = "x"; }')" looks \
	'a base that looks at no parameter'
like "$(learns "$same")" '^looks' 'one that looks'
like "$(learns '{ id, ... }: { config.environment.etc.x.text = id; }')" '^looks' 'one that looks at the id'

# What a guest's services get.
guest() {
	printf '%s\n' "$1" >"$T/guest.nix"
	instantiate -E "let
	    lib = import $REPO/nix/debian/lib;
	    pkgs = import $REPO/nix/debian { system = \"x86_64-linux\"; dpkg = \"$GOLDEN/dpkg.json\"; };
	    c = import $REPO/nix/mkContainer.nix {
	      inherit lib pkgs;
	      system = \"x86_64-linux\"; id = \"t\"; file = \"x\";
	      evalConfig = import $REPO/nix/debian/nixos/lib/eval-config.nix;
	      declaration = import $T/guest.nix;
	      toolbox = \"/toolbox\";
	    };
	  in $2"
}
sandboxed='config.systemd.services.x.serviceConfig = { ExecStart = "/x"; DynamicUser = true; ProtectSystem = "strict"; };'
is "$(guest "{ $sandboxed }" 'c.guest.config.systemd.services.x.serviceConfig' | jq -cS 'del(.["X-NixUnits-StaticUser"])')" \
	'{"DynamicUser":false,"ExecStart":"/x","Group":"x","NoNewPrivileges":true,"PrivateTmp":true,"ProtectHome":"read-only","ProtectSystem":"strict","RemoveIPC":true,"RestrictSUIDSGID":true,"SystemCallFilter":["~capset:EPERM"],"User":"x"}' \
	'a dynamic user becomes one that stays, with the rest of what it implies'
like "$(guest "{ $sandboxed }" 'c.guest.config.system.activationScripts.nixunits-users.text')" 'x:x:6[0-9]{4}:' \
	'and is made at the start'
# relaxed DIRECTIVE VALUE ALLOWED - a service without it, unless that is allowed
relaxed() {
	local service="config.systemd.services.x.serviceConfig = { ExecStart = \"/x --enable-dbus\"; ProtectHome = true; $1 = $2; };"
	is "$(guest "{ $service }" 'c.guest.config.systemd.services.x.serviceConfig' | jq -c "[has(\"$1\"), .ProtectHome]")" \
		'[false,true]' "$1 goes, and nothing else"
	is "$(guest "{ $3; $service }" 'c.guest.config.systemd.services.x.serviceConfig' | jq -c "has(\"$1\")")" true \
		"$1 stays with $3"
}
admin='caps_allow = "CAP_SYS_ADMIN"' nice='caps_allow = "CAP_SYS_NICE"'
relaxed BindPaths '"/a:/b"' "$admin"
relaxed BindReadOnlyPaths '[ "/a" ]' "$admin"
relaxed TemporaryFileSystem '"/a"' "$admin"
relaxed LogNamespace '"a"' "$admin"
relaxed PrivatePIDs true "$admin"
relaxed PrivateUsers true "$admin"
relaxed CPUSchedulingPolicy '"rr"' "$nice"
is "$(guest '{ config.systemd.services.x.serviceConfig = { ExecStart = "/x"; CPUSchedulingPolicy = "rr"; CPUSchedulingPriority = 9; }; }' \
	'c.guest.config.systemd.services.x.serviceConfig' | jq -c .)" '{"ExecStart":"/x"}' 'with its priority'
relaxed IOSchedulingClass '"realtime"' "$nice"
is "$(guest '{ config.systemd.services.x.serviceConfig = { ExecStart = "/x"; CPUSchedulingPolicy = "batch"; }; }' \
	'c.guest.config.systemd.services.x.serviceConfig.CPUSchedulingPolicy')" '"batch"' 'what is no real time stays'
filtered() {
	guest "{ $2 config.systemd.services.x.serviceConfig = { ExecStart = \"/x\"; $1 }; }" \
		'c.guest.config.systemd.services.x.serviceConfig' | jq -cS '[.SystemCallFilter, .SystemCallErrorNumber]'
}
is "$(filtered 'User = "u"; LockPersonality = true;')" '[["~capset:EPERM"],null]' \
	'with a user and a filter, the filter forbids capset'
is "$(filtered 'User = "u"; SystemCallFilter = [ "@system-service" ];')" '[["@system-service","~capset"],"EPERM"]' \
	'so does a filter of what is allowed'
is "$(filtered 'User = "u"; SystemCallFilter = "~@mount"; SystemCallErrorNumber = "EACCES";')" \
	'[["~@mount","~capset:EPERM"],"EACCES"]' 'and one of what is not'
is "$(filtered 'User = "u"; ProtectHome = true;')$(filtered 'LockPersonality = true;')$(
	filtered 'User = "u"; LockPersonality = true;' 'caps_allow = "CAP_SYS_ADMIN";')" \
	'[null,null][null,null][null,null]' 'not without a filter, for root, or with the capability'
service='config.systemd.services.x.serviceConfig = { ExecStart = "/x --enable-dbus -k"; Type = "dbus"; BusName = "a.b"; };'
is "$(guest "{ $service }" 'c.guest.config.systemd.services.x.serviceConfig' | jq -cS .)" \
	'{"ExecStart":"/x -k","Type":"exec"}' 'a service that announces itself on D-Bus is ready when it runs'
is "$(guest '{ config.systemd.services.x.serviceConfig = { BindPaths = "/a"; PrivateUsers = true; }; }' \
	'c.guest.config.systemd.services.x.serviceConfig' | jq -cS .)" '{"BindPaths":"/a","PrivateUsers":true}' \
	'what adds to a service of systemd stays as it is'
refuses '{ dbus = true; }' system 'services.dbus.enable. can.t be on' 'a D-Bus that the package set lacks'
is "$(instantiate -E "let r = import $REPO/nix/relax.nix { lib = import $REPO/nix/debian/lib; }; in
	map (x: x.directive) (builtins.filter (x: x.why or \"\" == \"\") r)")" '[]' 'each has its reason'
is "$(guest '{ systemdDeps = "x"; config.systemd.services.x.script = "true"; }' 'c.guest.config.systemd.services.x.after')" \
	'["nixunits-wait.service"]' 'systemdDeps wait for the network'
is "$(guest '{ config = { systemdDeps = [ "x" ]; systemd.services.x.script = "true"; }; }' 'c.guest.config.systemd.services.x.requires')" \
	'["nixunits-wait.service"]' 'so do those that the config names'
is "$(guest '{ config.networking.hostName = "own"; }' 'c.guest.config.environment.etc.hostname.enable')$(
	guest '{ }' 'c.guest.config.environment.etc.hostname.enable')" truefalse \
	'a name of its own is the guest'"'"'s, if it declares one'
is "$(guest '{ }' 'c.guest.config.systemd.services.nixunits-wait.serviceConfig.ExecStart')" '"/toolbox/bin/nixunits wait"' \
	'the network is waited for by the toolbox'
is "$(guest '{ }' 'map (o: o.name) (lib.filter (o: o.description == null || o.description == "") (lib.optionAttrSetToDocList c.options))')" \
	'[]' 'every option of a declaration is described'
is "$(guest '{ }' 'map (o: o.name) (lib.filter (o: o.description == null || o.description == "") (lib.optionAttrSetToDocList c.guest.options))')" \
	'[]' 'every option of a guest is described'

# The documentation of all this.
is "$(instantiate -A markdown "$REPO/nix/docs.nix" | jq -r .)" "$(cat "$REPO/nix/options.md")" \
	'nix/options.md is what nix/docs.nix makes of the options'
is "$(sed -n 's/^### //p' "$REPO/nix/options.md" | grep -v '^programs\|^nixunits' | sed 's/.*\.//' | sort -u | while read -r o; do
	grep -qE "^\|.*\b$o\b" "$REPO/nix/README.md" || echo "$o"; done | tr '\n' ' ')" 'cpu hard memory pids rlimits soft ' \
	"nix/README.md says what becomes of each, but for those of limits"
is "$(instantiate -E "map (r: r.directive) (import $REPO/nix/relax.nix { lib = import $REPO/nix/debian/lib; })" |
	jq -r '.[]' | while read -r d; do grep -qE "^\| .*\`$d\`" "$REPO/nix/README.md" || echo "$d"; done)" '' \
	'and why each directive is relaxed'
is "$(cd "$REPO/nix" && ls -d *.nix debian host/*.nix | while read -r f; do
	grep -qE "^\|.*\`$f/?\`" README.md || echo "$f"; done)" '' 'and what each file is for'

# The declaration's half knows no distribution; the pinned nixpkgs is the lock's.
is "$(grep -il debian "$REPO"/nix/*.nix | grep -v /docs.nix)" '' 'nothing outside nix/debian speaks of it'
is "$(instantiate -E "import $REPO/nix/nixpkgs.nix \"/some/tree\"")" '"/some/tree"' 'a nixpkgs by its path'
refuses_ref=$(instantiate -E "import $REPO/nix/nixpkgs.nix \"github:some/where\"" 2>&1)
like "$refuses_ref" 'flake' 'a flake reference needs flakes'

done_testing
