#!/bin/sh
# A system that does not depend on the parameters is evaluated once for all containers of a
# configuration; one that does, for each. What each gets is its own.
. "$(dirname "$0")/lib/host.sh"

newest() { printf /var/lib/nixunits/containers/%s/generations/1 "$1"; }
system() { host jq -r .system "$(newest "$1")/unit.json"; }
# etc UNIT NAME - the file, by the closure of the unit
etc() {
	host_sh 'file=$(grep -- "-etc-$2\$" "$1/closure")
		cat "$1$file" 2>/dev/null || cat "/var/lib/nixunits/store/default/root$file"' "$(newest "$1")" "$2"
}
build() {
	printf '%s' "$3" | host_put "/root/$2.json"
	run host sh -c 'cd /root; nixunits build -q -n "$1" -j "$2" -p debian' - "$1" "$2.json"
	succeeds "$2 is built"
}
# What builds have learnt: the ends of the lines.
learnt() { host_sh 'cat /var/lib/nixunits/gcroots/* | sed -n "s/^shares //p" | grep -oE "nixos-system|false" | tr "\n" " "'; }

shared() {
	host_install
	host_put /root/sub.nix <<-'X'
		{ environment.etc.sub.text = "imported"; }
	X
	host_put /root/same.nix <<-'X'
		{ properties, lib, ... }: {
		  network.interfaces.veth.ip4 = properties.ip4 or "10.0.0.1/24";
		  network.hosts = properties.hosts or false;
		  config = { imports = [ ./sub.nix ]; environment.etc.more.text = toString (properties ? more); };
		}
	X
	build same.nix a '{"id": "a", "ip4": "10.0.0.2/24"}'
	is "$(learnt)" 'nixos-system ' 'that parameters like these change nothing is remembered'
	build same.nix b '{"id": "b", "ip4": "10.0.0.3/24"}'
	is "$(learnt)" 'nixos-system ' 'and used'
	is "$(system b)" "$(system a)" 'the second container has the same system'
	is "$(host jq -c '[.id, .network.interfaces.veth.ip4[0], .os]' "$(newest b)/unit.json")" \
		"$(host jq -c '["b", "10.0.0.3/24", .os]' "$(newest a)/unit.json")" 'with its own parameters'
	ok 'its generation has the files that only its system is made of' host test -e "$(newest b)/declaration/root/sub.nix"
	is "$(host_sh 'cat "$1/closure"' "$(newest b)" | grep -v unit.json | sort)" \
		"$(host_sh 'cat "$1/closure"' "$(newest a)" | grep -v unit.json | sort)" 'and the same closure'
	build same.nix c '{"id": "c", "more": 1}'
	isnt "$(system c)" "$(system a)" 'parameters of another shape are looked at again'
	is "$(etc c more) $(etc a more)" '1 ' 'and give what they should'
	build same.nix d '{"id": "d", "ip4": "10.0.0.4/24", "hosts": true}'
	build same.nix e '{"id": "e", "ip4": "10.0.0.5/24", "hosts": true}'
	is "$(system e) $(host jq -r '.network.hosts' "$(newest e)/unit.json" | head -n 1)" "$(system d) 127.0.0.1 localhost" \
		'names of the host are asked of the system all the same'
	run host nixunits start b
	succeeds 'a container with a shared system starts'
	is "$(host nixunits shell b -- cat /etc/sub)" imported 'and is what was declared'

	host_sh 'sed -i s/imported/changed/ /root/sub.nix'
	build same.nix f '{"id": "f", "ip4": "10.0.0.6/24"}'
	is "$(etc f sub)" changed 'a changed import is a new system'

	# Where it depends.
	host_put /root/own.nix <<-'X'
		{ properties, id, ... }: { config.environment.etc.own.text = "${properties.name or "nobody"} ${id}"; }
	X
	host nixunits delete -f -r a b c d e f
	build own.nix g '{"id": "g", "name": "gerda"}'
	build own.nix h '{"id": "h", "name": "hans"}'
	is "$(etc g own), $(etc h own)" 'gerda g, hans h' 'a system that depends on parameters is each one'"'"'s own'
	like "$(learnt)" 'false' 'that it does is remembered'
	host nixunits delete -f -r g h

	# What is evaluated with parameters that have no values can tell, and must not be believed then.
	host_put /root/caught.nix <<-'X'
		{ properties, ... }: {
		  config.environment.etc.caught.text = let name = builtins.tryEval (properties.name or "nobody"); in if name.success then name.value else "none";
		}
	X
	build caught.nix k '{"id": "k", "name": "karl"}'
	build caught.nix l '{"id": "l", "name": "lena"}'
	is "$(etc k caught), $(etc l caught)" 'karl, lena' 'so does one that asks whether a parameter can be evaluated'
	is "$(learnt)" 'false ' 'and it is remembered once'
	is "$(host_sh 'ls "$1/nix/store"' "$(newest k)" | grep -c -- '-nixos-system-[^/]*[^v]$')" 1 \
		'what was made in vain is not kept'
	host nixunits delete -f -r k l

	# Where the system looks at no parameter, the base knows it, whatever their names are.
	host_put /root/plain.nix <<-'X'
		{ properties, ... }: { extra = properties.extra or ""; config.environment.etc.plain.text = "plain"; }
	X
	build plain.nix i '{"id": "i", "extra": "true"}'
	is "$(host_sh 'cat /var/lib/nixunits/gcroots/*' | grep -c '^shares {"\*":{.*nixos-system')" 1 \
		'a system that looks at no parameter is known with the base'
	is "$(learnt) $(etc i plain) $(host jq -r .extra "$(newest i)/unit.json")" 'nixos-system  plain true' \
		'and the first container takes it already'
	host nixunits delete -f -r i
}

each_suite shared
done_testing
