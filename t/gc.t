#!/bin/sh
# nu-gc frees what no unit needs, and nothing that one does: not even what a unit took from the
# base of another that is gone.
. "$(dirname "$0")/lib/host.sh"

base=/var/lib/nixunits/store/default/root
# build UNIT PARAMETERS - with UNIT.nix
build() {
	printf '%s' "$2" | host_put "/root/$1.json"
	run host sh -c 'cd /root; nixunits build -q -n "$1.nix" -j "$1.json" -p debian' - "$1"
	succeeds "$1 is built${3:+: $3}"
}
# The store paths that generations need and that are nowhere.
missing() {
	host_sh 'base=$1; cd /var/lib/nixunits/containers
		for closure in */generations/*/closure; do
			for path in $(cat "$closure"); do
				for there in "$base$path" "${closure%/closure}$path"; do
					if [ -e "$there" ] || [ -L "$there" ]; then continue 2; fi
				done
				echo "$closure: $path"
			done
		done' "$base"
}
stored() { host_sh 'ls -A "$1/nix/store" | grep -v "^\.links$" || true' "$base"; }
in_base() { host_sh 'grep -rls --exclude="*.drv" -- "$2" "$1/nix/store" | wc -l' "$base" "$1"; }
etc() { host nixunits shell "$1" -- cat "/etc/$2"; }

gc() {
	host_install
	run host nixunits gc
	succeeds 'on a host without units'
	is "$out" '' 'there is nothing to free'

	# What lender has in its base is what the borrower's parameters ask for. (A directory: a
	# file that a build needs is linked by nix's sandbox, and an overlay copies what is linked.)
	host_put /root/lent.nix <<-'X'
		{ pkgs, text }: pkgs.runCommand "lent" { inherit text; } "mkdir $out; echo $text >$out/text"
	X
	host_put /root/lender.nix <<-'X'
		{ pkgs, ... }: {
		  config.environment.etc.lent.source = import ./lent.nix { inherit pkgs; text = "quartz"; };
		  config.environment.etc.own.text = "feldspar";
		}
	X
	host_put /root/borrower.nix <<-'X'
		{ pkgs, properties, ... }: {
		  config.environment.etc.lent.source =
		    import ./lent.nix { inherit pkgs; text = properties.text or "none"; };
		}
	X
	build lender '{"id": "lender"}'
	build borrower '{"id": "borrower", "text": "quartz"}'
	run host nixunits start borrower
	succeeds 'one of them runs'
	run host_sh 'cd /var/lib/nixunits/containers/borrower/generations/1; path=$(grep -- "-lent$" closure)
		ls -d "$1$path"; test ! -e ".$path"' "$base"
	succeeds 'it took a path from the base of the other'
	run host nixunits gc
	succeeds 'with two units'
	unlike "$out" containers 'generations stay'
	is "$(missing)" '' 'and all that they need'
	for unit in lender borrower; do
		run host nixunits build $unit
		like "$err" 'unchanged' "$unit need not be built again"
	done
	run host nixunits gc
	is "$out" '' 'a second time there is nothing to free'
	like "$err" '^nu-gc: 0 store paths deleted' 'and it says so'

	# Where the host's nix frees space by itself, it is not let.
	host_sh 'mkdir -p /etc/nix; mv /etc/nix/nix.conf /root/nix.conf 2>/dev/null || true
		echo "min-free = 1000000000000000" >/etc/nix/nix.conf'
	host_sh 'nixunits delete -f -r lender; echo "{ config.environment.etc.x.text = \"x\"; }" >/root/x.nix
		nixunits build -q -n /root/x.nix -i x -p debian; nixunits delete -q -f -r x; rm /etc/nix/nix.conf
		mv /root/nix.conf /etc/nix 2>/dev/null || true'
	is "$(in_base feldspar)" 1 'a deleted unit leaves its paths in the base store'
	before=$(stored)
	run host nixunits gc -n
	succeeds 'a dry run'
	would=$out
	like "$would" "^$base/nix/store/[a-z0-9]*-etc-own" 'prints what would go'
	is "$(stored)" "$before" 'and removes nothing'
	run host_sh 'nixunits gc -n | xargs ls -d >/dev/null'
	succeeds 'what it prints are paths'
	run host nixunits gc -q
	is "$out" "$would" 'and these are what goes'
	is "$err" '' 'in silence, where asked for'
	is "$(in_base feldspar)" 0 'they are gone'
	is "$(printf '%s\n' "$before" | wc -l)" "$(($(stored | wc -l) + $(printf '%s\n' "$would" | grep -c "^$base")))" \
		'those and no others'
	is "$(missing)" '' 'but for what another unit took'
	is "$(etc borrower lent/text)" quartz 'which it has while it runs'
	run host nixunits restart borrower
	succeeds 'and starts with'
	is "$(etc borrower lent/text)" quartz 'again'

	# A unit that is built while it waits for another's build, and takes what was garbage.
	build lender '{"id": "lender"}'
	host_put /root/late.json <<-'X'
		{"id": "late", "text": "quartz"}
	X
	host_put /root/other.json <<-'X'
		{"id": "other"}
	X
	run host_sh 'cd /root; nixunits delete -q -f -r borrower
		nixunits build -q -n borrower.nix -j other.json -p debian; nixunits delete -q -f -r lender
		exec 8<>/var/lib/nixunits/store.lock; flock -s 8
		nixunits gc >gc.out 2>&1 8<&- &
		n=0; until grep -q waiting gc.out || [ $n = 100 ]; do sleep 0.1; n=$((n + 1)); done
		nixunits build -q -n borrower.nix -j late.json -p debian 8<&-
		for text in a b c; do
			echo "{\"id\": \"other\", \"text\": \"$text\"}" >other.json
			nixunits build -q -k 9 -n borrower.nix -j other.json -p debian 8<&-
		done
		exec 8<&-; wait $!'
	succeeds 'units are built while it waits'
	is "$(missing)" '' 'and miss nothing when it has been at work'
	is "$(host ls /var/lib/nixunits/containers/other/generations | wc -l)" 4 'nor a generation'
	run host_sh 'mkdir /root/slow; printf "#!/bin/sh\nsleep 3\n" >/root/slow/nix-store; chmod +x /root/slow/nix-store
		PATH=/root/slow:$PATH nixunits gc 2>/dev/null & sleep 1; kill -KILL $!
		status=0; flock -n /var/lib/nixunits/store.lock true || status=$?
		rm -r /root/slow; flock /var/lib/nixunits/store.lock true; exit $status'
	is "$status" 1 'one that is killed leaves no nix at work that others could build beside'
	# A unit that is being deleted.
	run host_sh 'cd /var/lib/nixunits/containers/late; mkdir generations/1/in; mount -t tmpfs in generations/1/in
		nixunits delete -q -f -r late'
	like "$status/$err" '^1/.*is a mount point' 'one that can not be deleted whole'
	is "$(host ls -A /var/lib/nixunits/containers/late | grep -v root)" .old 'has no generation any more'
	run host nixunits gc
	succeeds 'and is in nobody'"'"'s way'
	host_sh 'umount /var/lib/nixunits/containers/late/.old/1/in; nixunits delete -q -f -r late other'
	not_ok 'and goes in the end' host test -e /var/lib/nixunits/containers/late
	build borrower '{"id": "borrower", "text": "quartz"}'
	run host nixunits start borrower
	host_sh 'nixunits gc -q >/dev/null'

	for n in 2 3 4; do
		host_sh 'sed -i "s/none[0-9]*/none$1/" /root/borrower.nix' "$n"
		build borrower '{"id": "borrower", "text": "quartz"}' "base $n"
	done
	is "$(host_sh 'ls /var/lib/nixunits/gcroots | wc -l')" 4 'each configuration has its base'
	run host nixunits gc -k 1
	is "$(printf '%s\n' "$out" | grep -o 'generations/.*')" 'generations/2
generations/3' 'the generations between what runs and what waits go'
	is "$(host ls /var/lib/nixunits/containers/borrower/generations)" '1
4' 'these two stay'
	is "$(printf '%s\n' "$out" | grep -c /gcroots/) $(host_sh 'ls /var/lib/nixunits/gcroots | wc -l')" '2 2' \
		'so do their bases, and the others go'
	is "$(in_base none3) $(in_base none4)" '0 1' 'and what was in them'
	is "$(missing)" '' 'nothing is missing'
	run host nixunits restart borrower
	succeeds 'the one that waited starts'
	run host nixunits gc -k 1
	is "$(host_sh 'ls /var/lib/nixunits/gcroots | wc -l')" 1 'then the one before goes as well'

	# Nobody is at the unit any more, but what a build left is there.
	host_sh 'mkdir -p /var/lib/nixunits/containers/borrower/generations/.new.1/nix'
	run host_sh 'flock /var/lib/nixunits/containers/borrower nixunits gc -k 1'
	like "$err" 'borrower: somebody is at work' 'a unit that somebody is at'
	ok 'stays as it is' host test -d /var/lib/nixunits/containers/borrower/generations/.new.1
	run host nixunits gc -q
	is "$(host ls -A /var/lib/nixunits/containers/borrower/generations)" 4 'what a killed build left goes'

	host_sh 'echo {} >/var/lib/nixunits/containers/borrower/generations/4/closure.new
		cd /var/lib/nixunits/containers/borrower/generations/4; mv closure closure.was; mv closure.new closure'
	run host nixunits gc
	is "$status" 1 'where it is not known what a generation needs'
	like "$err" 'borrower: ".*": not a store path' 'that is an error'
	host_sh 'cd /var/lib/nixunits/containers/borrower/generations/4; mv closure.was closure'
	is "$(missing)" '' 'and nothing goes'

	# Builds and collections at once.
	for n in 1 2 3 4 5; do
		host_put "/root/u$n.nix" <<-X
			{ properties, ... }: {
			  config.environment.etc.one.text = "one of $n"; config.environment.etc.id.text = properties.id or "";
			}
		X
		host_put "/root/u$n.json" <<-X
			{"id": "u$n"}
		X
	done
	run host_sh 'cd /root; touch going
		(while [ -e going ]; do nixunits gc -k 1 >/dev/null || echo failed >>gc-failed; done) &
		pids=
		for n in 1 2 3 4 5; do nixunits build -q -n u$n.nix -j u$n.json -p debian & pids="$pids $!"; done
		status=0; for pid in $pids; do wait $pid || status=1; done; rm going; wait
		test ! -e gc-failed; exit $status'
	succeeds 'five builds, while garbage is collected'
	is "$(missing)" '' 'leave nothing missing'
	is "$(host_sh 'cd /var/lib/nixunits; for n in 1 2 3 4 5; do
		ls -d containers/u$n/generations/1/nix/store/* | wc -l; done' | awk '$1 > 50')" '' 'and each found its base'

	host_sh 'nixunits delete -q -f -r borrower u1 u2 u3 u4 u5; nixunits gc -q >/dev/null'
	is "$(stored)" '' 'after the last unit the base store is empty'
	is "$(host_sh 'findmnt -rno TARGET | grep nixunits || true')" '' 'and nothing is mounted'

	run host nixunits gc -k 0
	is "$status" 2 'to keep nothing is refused'
	run host nixunits gc web2
	is "$status" 2 'and so are operands'
	run host setpriv --reuid 65534 --clear-groups nixunits gc
	is "$status" 1 'only root may'
	like "$err" 'only root' 'and others are told'
	run host_sh 'PATH=/usr/bin; mkdir /root/bin; ln -s "$(command -v nixunits || echo /usr/local/bin/nixunits)" /root/bin/nu-gc; PATH=/root/bin nu-gc'
	is "$status" 77 'without nix it says so'
	like "$err" 'nix-store' 'by name'
}

each_suite gc
done_testing
