#!/bin/sh
# make demo, where systemd is not PID 1: it boots a host for itself and throws it away.
. "$(dirname "$0")/lib/host.sh"

# There it would install nixunits on the machine itself, and leave it there.
[ ! -d /run/systemd/system ] || skip_all 'the demo is for this machine, not for a test of it'

hosts() { "$REPO/t/host/host" list | grep '^demo-' | sort; }
before=$(hosts)
run make -s -C "$REPO" demo </dev/null
succeeds 'make demo'
like "$out" '^host\$ nixunits build -n ./web_default.nix -j ./web2.json -p debian -s$' 'shows what it runs'
like "$out" '<h1>It runs' 'the page of web2'
like "$out" '^ +addresses: 192.168.20.2/31$' 'nixunits status'
like "$out" '^web2 +started +1$' 'nixunits list'
is "$(hosts)" "$before" 'and leaves no host behind'
run "$REPO/t/host/demo" --nonsense
is "$status" 2 'an unknown option is exit 2'

done_testing
