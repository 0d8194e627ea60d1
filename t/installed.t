#!/bin/sh
# nu-install on a live Debian host: systemd knows the unit, and knows when it has gone.
. "$(dirname "$0")/lib/host.sh"

files() { host sh -c 'find /usr /etc /var/lib /opt -xdev ! -path "*/.updated" | sort'; }

on_host() {
	files >"$T/before"
	run host /src/build/nixunits install
	succeeds 'installs'
	unlike "$err" 'units will need' 'with nothing missing on this host'
	is "$(host systemctl show -P FragmentPath nixunits@web2)" \
		/usr/local/lib/systemd/system/nixunits@.service 'systemd finds the unit'
	is "$(host systemd-analyze verify /usr/local/lib/systemd/system/nixunits@.service 2>&1 |
		grep -v "Command 'man ")" '' 'and has nothing to say against it'
	is "$(host systemctl show -P Delegate,Type,Slice,KillMode nixunits@web2 | tr '\n' ' ')" \
		'notify machine.slice yes mixed ' 'and reads it as it is meant'
	ok 'nixunits is in PATH' host nixunits --version
	ok 'and finds its nix code' host_sh '[ -d /usr/local/share/nixunits/nix ]'
	run host nixunits install
	like "$err" 'nothing to do' 'again: nothing to do'
	host sh -c 'mkdir /root/bare; ln -s "$(command -v gzip)" /root/bare/'
	run host env PATH=/root/bare /usr/local/bin/nixunits install --prefix /opt/nu
	like "$err" 'need nix-build .*apt-get install nix-bin' 'what units will need is named'
	run host /opt/nu/bin/nu-install --uninstall
	succeeds 'the other prefix goes by itself'

	# Something has to run; what, does not matter to --uninstall.
	printf '[Service]\nType=exec\nExecStart=\nExecStart=/bin/sleep 600\nExecStartPost=\nExecStopPost=\n' |
		host_put /run/systemd/system/nixunits@web2.service.d/sleep.conf
	host sh -c 'systemctl daemon-reload; systemctl -q enable nixunits@web3; systemctl start nixunits@web2'
	is "$(host systemctl is-active nixunits@web2)" active 'a unit runs'
	run host nixunits install --uninstall
	is "$status" 1 '--uninstall is refused then'
	like "$err" 'nixunits@web2.service runs' 'which is named'
	ok 'and nothing is removed' host nixunits --version
	run host nixunits install --uninstall -n
	is "$status" 1 'nor would it be'
	host sh -c 'systemctl stop nixunits@web2; rm -r /run/systemd/system/nixunits@web2.service.d'
	run host nixunits install --uninstall
	succeeds '--uninstall'
	like "$err" 'nixunits@web3.service is no longer started at boot' 'names what was enabled'
	not_ok 'systemd knows the unit no more' host systemctl cat nixunits@web2
	files >"$T/after"
	is "$(diff "$T/before" "$T/after")" '' 'the host is as it was'
}

each_suite on_host
done_testing
