#!/bin/sh
# Bad input and a lacking host: a message that names the thing, an exit code, nothing changed.
. "$(dirname "$0")/lib/host.sh"

tree() {
	host_sh 'find /var/lib/nixunits -mindepth 2 -not -path "*/store/*" 2>/dev/null | sort
		cat /var/lib/nixunits/uidmap 2>/dev/null || true
		cut -d" " -f2 /proc/self/mounts | sort; ls /tmp | grep nix || true'
}

# unchanged NAME: the host is as `tree >$T/before` saw it.
unchanged() {
	tree >"$T/after"
	is "$(diff "$T/before" "$T/after")" '' "$1"
}

# refused CODE REGEX NAME COMMAND...: the command says so, exits so, and changes nothing.
refused() {
	local code=$1 regex=$2 name=$3
	shift 3
	tree >"$T/before"
	run host "$@"
	is "$status" "$code" "$name: exit code $code"
	like "$err" "$regex" "$name: says why"
	unchanged "$name: nothing changed"
}

errors() {
	host_install
	host_sh '
		mkdir -p /root/t; cd /root/t; cp /src/nix/examples/quickstart/* .
		echo "{ \"ip4\": \"10.0.0.2/31\" }" >noid.json
		echo "[1, 2]" >list.json
		echo "{ \"id\": \"web2\" " >cut.json
		echo "{ \"id\": \"web2\", \"id\": \"web3\" }" >twice.json
		{ printf "{\"id\":\"web2\",\"x\":\""; head -c 10000000 /dev/zero | tr "\0" x; echo "\"}"; } >big.json
		{ printf "{\"id\":\"web2\",\"x\":"; head -c 10000 /dev/zero | tr "\0" "["; } >deep.json
		echo "{ a = ; }" >syntax.nix
		echo "{ ... }: throw \"no way\"" >throws.nix
		echo "{ ... }: { confg = { }; }" >unknown.nix
		echo "{ ... }: { network.interfaces.lan = { kind = \"veth\"; ip4 = \"10.0.0.2/33\"; }; config.system.stateVersion = \"25.11\"; }" >cidr.nix
		echo "{ ... }: { x = builtins.match \"(a|a)*b\" \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"; }.x" >loops.nix'
	b="nixunits build -p debian"

	run host nixunits list
	is "$status/$out$err" 0/ 'list works before the first build'
	run host nixunits -o json list
	is "$status" 2 'an option before the action is none of the toolbox'
	run host nixunits build -f -h
	is "$status" 0 '-h helps after other options too'
	for applet in start stop restart enable disable delete status shell nsenter run unit rollback; do
		run host nixunits $applet
		is "$status" 2 "$applet without an id: exit code 2"
	done

	refused 2 'no id: give -i' 'no id' $b -n /root/t/web_default.nix -j /root/t/noid.json
	for id in '' a/b .. a..b a_b Web2 -web2 web2- 'we b' 'a;b' '$(id)' "a'b" "$(head -c 65 /dev/zero | tr '\0' a)"; do
		refused 2 '(id|usage|option)' "the id '$id'" $b -n /root/t/web_default.nix "--id=$id"
		refused 2 '(id|usage|option)' "delete of '$id'" nixunits delete -f -r -- "$id"
	done
	refused 2 'list.json: expected an object, got a list' 'a list' $b -n /root/t/web_default.nix -j /root/t/list.json
	refused 2 'cut.json: line 2, column 1: the JSON text ends too early' 'cut JSON' $b -n /root/t/web_default.nix -j /root/t/cut.json
	refused 2 'twice.json: id: given twice' 'a key twice' $b -n /root/t/web_default.nix -j /root/t/twice.json
	refused 2 'big.json: larger than' '10 MB' $b -n /root/t/web_default.nix -j /root/t/big.json
	refused 2 'deep.json: line 1, column [0-9]+: nested more than 100 deep' '10,000 deep' $b -n /root/t/web_default.nix -j /root/t/deep.json
	refused 2 '/root/t/none.json: No such file' 'no such parameters' $b -n /root/t/web_default.nix -j /root/t/none.json
	refused 2 '/root/t/none.nix: No such file' 'no such configuration' $b -n /root/t/none.nix -j /root/t/web2.json
	host mkfifo /root/t/fifo
	refused 2 '/root/t/fifo: expected a file' 'a configuration that is a pipe' timeout 100 $b -n /root/t/fifo -i web2
	refused 2 '/root/t: expected a file' 'one that is a directory' $b -n /root/t -i web2
	refused 2 'no such unit: give its configuration' 'nothing to build again' nixunits build web2

	refused 1 'syntax error' 'a .nix that does not parse' $b -n /root/t/syntax.nix -i web2
	refused 1 'no way' 'one that throws' $b -n /root/t/throws.nix -i web2
	refused 1 'confg' 'an unknown option' $b -n /root/t/unknown.nix -i web2
	unlike "$err" 'no base|show-trace' 'in its own words: of its option, and of none that is no error of its'
	refused 2 'interfaces.lan.*10.0.0.2/33.*prefix length above 32' 'a bad prefix' $b -n /root/t/cidr.nix -i web2

	for key in ip4 hostIp4; do
		echo "{ \"id\": \"web2\", \"$key\": \"\$(touch /pwned)/31\" }" | host_put /root/t/evil.json
		refused 2 "veth.$key\\[0\\]: \"[$][(]touch" "a command for an address ($key)" \
			$b -n /root/t/web_default.nix -j /root/t/evil.json
		not_ok 'which nobody executes' host test -e /pwned
	done
	host_sh 'mkdir /root/t/tree; echo "throw \"this tree is read\"" >/root/t/tree/default.nix'
	refused 1 '/root/t/tree: not a nixpkgs: it has no lib/' '-p: a tree that is no package set' \
		nixunits build -p /root/t/tree -n /root/t/web_default.nix -j /root/t/web2.json
	refused 1 '/root/t/tree: not a nixpkgs' 'NIXUNITS_NIXPKGS instead of -p' \
		env NIXUNITS_NIXPKGS=/root/t/tree nixunits build -n /root/t/web_default.nix -j /root/t/web2.json
	refused 2 '-p /root/t/nothing: No such file' '-p: a tree that is not there' \
		nixunits build -p /root/t/nothing -n /root/t/web_default.nix -j /root/t/web2.json

	tree >"$T/before"
	run host timeout --preserve-status -s INT -k 30 3 $b -n /root/t/loops.nix -i web2
	is "$status" 130 'one that loops, interrupted: exit code 130'
	unchanged 'leaves no mount, no lock, no half generation'
	ok 'and no process' host_sh '! pgrep -x nix-build'

	refused 3 'web9: no such unit' 'start of an unknown unit' nixunits start web9
	refused 3 'web9: no such unit in /srv/none ' 'where units are kept elsewhere' env NIXUNITS_DIR=/srv/none nixunits check web9
	refused 3 'web9: no such unit' 'delete of an unknown unit' nixunits delete -f web9
	refused 3 'web9: no such unit' 'a shell in an unknown unit' nixunits shell web9
	refused 3 'web9: no such unit' 'the document of an unknown unit' nixunits unit web9
	refused 2 'nobody is there to ask' 'delete without -f and without a terminal' \
		sh -c 'mkdir -p /var/lib/nixunits/containers/web8; nixunits delete web8 </dev/null; s=$?; rmdir /var/lib/nixunits/containers/web8; exit $s'
	refused 2 'NIXUNITS_DIR=.*absolute path' 'a relative state directory' env NIXUNITS_DIR=x nixunits list
	refused 2 'NIXUNITS_DIR="/srv/a[?]b": expected' 'one whose end nix would take for options' \
		env NIXUNITS_DIR='/srv/a?b' nixunits list
	refused 2 'unknown option' 'an unknown option' nixunits start --nope web2

	# Not root: nothing but messages, and evaluation.
	run host env HOME=/ setpriv --reuid 65534 --regid 65534 --clear-groups nixunits eval -g network.interfaces.veth.ip4 \
		-p debian -n /src/nix/examples/quickstart/web_default.nix -j /src/nix/examples/quickstart/web2.json
	is "$status$(printf '%s' "$out" | tr -d '\n\t ')" '0["192.168.20.2/31"]' 'an ordinary user evaluates'
	refused 1 'only root' 'a build by an ordinary user' setpriv --reuid 65534 --clear-groups \
		$b -n /src/nix/examples/quickstart/web_default.nix -j /src/nix/examples/quickstart/web2.json

	for action in 'start web8' 'stop web8' 'restart web8' 'enable web8' 'disable web8' 'delete -f web8' 'rollback web8' \
		'run web8' 'uid alloc web8'; do
		host_sh 'mkdir -p -m 700 /var/lib/nixunits/containers/web8'
		refused 1 'only root' "$action by an ordinary user" \
			setpriv --reuid 65534 --clear-groups nixunits $action
	done
	host rmdir /var/lib/nixunits/containers/web8

	# Programs that are missing.
	refused 77 'nix-build: not found.*apt-get install nix-bin' 'no nix' \
		/bin/sh -c 'mkdir -p /root/few; ln -sf /usr/bin/dpkg-query /usr/bin/dpkg /root/few/; PATH=/usr/local/bin:/root/few exec nixunits build -p debian -n /root/t/web_default.nix -j /root/t/web2.json'
	refused 77 'machinectl: .*install systemd-container' 'no machinectl' \
		env PATH=/usr/local/bin nixunits poweroff web2

	# URLs: a server of the host's own, and one that hangs up too early.
	host_put /root/t/short <<-'X'
	#!/bin/sh
	while read -r line && [ "$line" != "$(printf '\r')" ]; do :; done
	printf 'HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{ }'
	X
	host chmod +x /root/t/short
	host_sh 'cd /root/t && (busybox httpd -f -vv -p 127.0.0.1:8099 -h /root/t >>/root/requests 2>&1 &)
		(socat TCP-LISTEN:8097,bind=127.0.0.1,reuseaddr,fork EXEC:/root/t/short >/dev/null 2>&1 &)'
	refused 1 'none.json: could not be fetched.*22' 'a URL that is not there' \
		$b -n http://127.0.0.1:8099/web_default.nix -j http://127.0.0.1:8099/none.json
	refused 1 'could not be fetched' 'a server that is not there' \
		$b -n http://127.0.0.1:8098/x.nix -i web2
	run host_sh 'cd /root/t; nixunits eval -g id -p debian -n web_default.nix -j web2.json'
	is "$status/$out" '0/"web2"' 'files without "./" are files'
	refused 1 'could not be fetched.*18' 'a download that ends too early' $b -n http://127.0.0.1:8097/x.nix -i web2
	host_sh ': >/root/requests'
	run host nixunits build -n http://127.0.0.1:8099/web_default.nix -j http://127.0.0.1:8099/web2.json
	succeeds 'a build from URLs'
	like "$err" "taking this host's Debian packages" 'with the packages of the host, where nixpkgs is out of reach'
	is "$(host grep -o '/web.*' /root/requests | sort | tr '\n' ' ')" '/web2.json /web_default.nix ' \
		'each of which is fetched once'
	run host $b -n http://127.0.0.1:8099/web_default.nix -j http://127.0.0.1:8099/web2.json
	like "$err" unchanged 'is known to be unchanged'
	host pkill -x 'busybox|socat'
	run host nixunits eval -g id -n /root/t/web_default.nix -i other
	is "$status/$out" '0/"other"' 'nu-eval takes the packages of the host as well'
	refused 1 'web2: built, but not started yet' 'running a unit that was never started' nixunits run --dry-run web2
	run host nixunits build -f web2
	succeeds 'and can be built again without the server'
	host_sh 'nixunits start -q web2; nixunits stop -q web2; nixunits build -q -f web2'
	refused 1 'web2: no generation is pending' 'the pending document where there is none' nixunits unit -N web2
	refused 1 'web2: systemd runs it by this engine .nixunits start web2' 'the nspawn engine by hand' nixunits run web2
	printf '[Service]\nEnvironment=PATH=/nowhere\n' | host_put /run/systemd/system/nixunits@web2.service.d/path.conf
	host systemctl daemon-reload
	refused 1 'systemd-nspawn: not found.*systemd-container' 'no systemd-nspawn' nixunits start web2
	run host sh -c 'for i in 1 2 3 4; do nixunits start web2; done'
	is "$(printf '%s\n' "$err" | grep -c 'systemd-nspawn: not found')" 4 'each start that fails says why, not what was wrong before'
	unlike "$(host journalctl -u nixunits@web2)" '0 links removed' 'and nothing of what was not to be done'
	host_sh 'rm -r /run/systemd/system/nixunits@web2.service.d; systemctl daemon-reload'

	# A NixOS host's own unit is not ours to touch.
	host_sh 'mkdir -p /etc/nixunits; nixunits unit web2 >/root/web2.json; mv /root/web2.json /etc/nixunits/'
	is "$(host nixunits status -o json web2 | jq .in_nixos)" true 'a unit of the NixOS host is shown as such'
	refused 1 'declares it' 'build of such a unit' $b -n /root/t/web_default.nix -j /root/t/web2.json
	refused 1 'declares it' 'delete of such a unit' nixunits delete -f web2
	refused 1 'nixunits.web2.autoStart' 'enable of such a unit' nixunits enable web2
	host rm -r /etc/nixunits

	# There a link made by systemctl would be gone after the next switch.
	host touch /etc/NIXOS
	refused 1 'declare it there, as nixunits.web2' 'enable on a NixOS host' nixunits enable web2
	echo '{ autoStart = true; }' | host_put /root/t/boot.nix
	run host $b -n /root/t/boot.nix -i boot -s
	is "$status $(host nixunits status -o json boot | jq -r .status)" '0 started' \
		'a unit that is to start at boot is built and started there'
	like "$err" 'warning: boot: autoStart: on NixOS' 'with a warning'
	host nixunits delete -q -f -r boot
	host rm /etc/NIXOS

	echo '{ properties, ... }: { config.environment.etc.it.text = properties.it; }' | host_put /root/t/needs.nix
	echo '{ "id": "needs", "it": "here" }' | host_put /root/t/needs.json
	run host $b -n /root/t/needs.nix -j /root/t/needs.json
	like "$err" '^nu-build: needs: no base is shared: .*without parameters' 'one that needs its parameters is built, and says what that costs'
	is "$status" 0 'which is no failure'
	host nixunits delete -q -f -r needs

	# A build waits for others, says so, and can be interrupted.
	run host flock /var/lib/nixunits/store.lock timeout --preserve-status -s INT -k 30 3 \
		$b -n /root/t/boot.nix -i boot
	is "$status" 130 'a build that waits for the base store can be interrupted'
	like "$err" 'boot: waiting for another nixunits command' 'and says that it waits'
	is "$(host nixunits list -q)" web2 'nothing is left of it'

	# Where no overlay can be mounted.
	host_sh 'mkdir -p /srv/over/low /srv/over/up /srv/over/work /srv/over/on; mount -t tmpfs none /srv/over/up
		mkdir /srv/over/up/up /srv/over/up/work
		mount -t overlay -o lowerdir=/srv/over/low,upperdir=/srv/over/up/up,workdir=/srv/over/up/work none /srv/over/on'
	run host env NIXUNITS_DIR=/srv/over/on/nixunits $b -n /root/t/web_default.nix -j /root/t/web2.json
	is "$status" 1 'a state on a file system that can not be an upper layer: exit code 1'
	like "$err" 'overlay' 'and says so'
	is "$(host_sh 'ls -A /srv/over/on/nixunits/containers')" '' 'nothing is left of the unit'
	host umount /srv/over/on /srv/over/up
	host rm -r /srv/over

	# No space left: the state on a small file system.
	host_sh 'mkdir -p /srv/small; mount -t tmpfs -o size=6m none /srv/small'
	run host env NIXUNITS_DIR=/srv/small/nixunits $b -n /root/t/web_default.nix -j /root/t/web2.json
	is "$status" 1 'no space left: exit code 1'
	like "$err" '[Nn]o space left|disk is full|database or disk is full' 'and says so'
	not_ok 'no half generation' host_sh 'ls -A /srv/small/nixunits/containers/* 2>/dev/null | grep .'
	host mount -o remount,size=50m /srv/small
	run host env NIXUNITS_DIR=/srv/small/nixunits $b -n /root/t/web_default.nix -j /root/t/web2.json
	like "$err" 'No space left on device|disk is full' 'nor is there any for what is built'
	like "$err" '^nu-build: web2: base: nix-build failed' 'which is no fault of the configuration'
	unlike "$err" 'web2: evaluating' 'so that nothing is built without a base'
	# And none at all.
	host_sh 'cat /dev/zero >/srv/small/fill 2>/dev/null || true'
	run host env NIXUNITS_DIR=/srv/small/nixunits nixunits uid alloc web2
	is "$status/$err" '1/nu-uid: /srv/small/nixunits/uidmap: No space left on device' 'no space for a UID range'
	run host env NIXUNITS_DIR=/srv/small/nixunits nixunits uid show
	is "$status/$out" 0/ 'which nobody has then'
	host umount /srv/small
	run host nixunits delete -f -r web2
	succeeds 'delete'
}

each_suite errors
done_testing
