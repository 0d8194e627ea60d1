#!@busybox@/bin/busybox sh
# init - the guest's first process: makes the root file system what the system declares,
# then becomes systemd.
#
# It runs as the root of a user namespace, on a root directory that may be empty and
# that is kept from one start to the next. Debian's programs need /lib64 and /usr, which
# are made here: until then only this static shell runs (its commands are its own).

system=@out@
umask 022
export PATH=/usr/bin
say() { echo "init: $*" >&2; }

## The directories that every root has.
mkdir -p /usr /etc /run /tmp /root /proc /sys /dev /home /srv /nix/var \
	/var/cache /var/empty /var/lib/nixos /var/log /var/spool /var/tmp
chmod 1777 /tmp /var/tmp
chmod 700 /root
. @usr_sh@
ln -sfn $system /run/current-system
ln -sfn $system /run/booted-system
[ -L /var/run ] || ln -s ../run /var/run

## /etc: what is declared, beside what the guest made itself.
etc=@etc@/etc
ln -sfn $etc /etc/.static.new && mv -fT /etc/.static.new /etc/static
# Links to what is declared no more, and copies of it, go.
find /etc -type l 2>/dev/null | while read -r f; do
	case $(readlink "$f") in
	/etc/static/*) [ -L "$etc/${f#/etc/}" ] || rm -f "$f" ;;
	esac
done
while read -r f; do
	[ -e "$etc/$f" ] || rm -f "/etc/$f"
done 2>/dev/null </etc/.copies
place() {
	[ -d "${f%/*}" ] || mkdir -p "${f%/*}"
	if [ -d "$f" ] && [ ! -L "$f" ] && ! rmdir "$f" 2>/dev/null; then
		say "$f: a directory with files is where a declared file should be: left alone"
		return 1
	fi
}
(cd $etc && find . -type l) | while read -r f; do
	f=/etc/${f#./}
	# The same file already, by a link: nothing to do.
	[ -L "$f" ] && [ "$f" -ef "/etc/static/${f#/etc/}" ] && continue
	place && ln -sfn "/etc/static/${f#/etc/}" "$f"
done
: >/etc/.copies

## Users, before anything is owned by them.
awk -f @users_awk@ -v mutable=@mutable@ @users@ && for f in passwd group shadow; do
	mv -f /etc/.$f.new /etc/$f
done || say "/etc/passwd could not be made"
while IFS=: read -r user home mode; do
	[ -d "$home" ] || { mkdir -p "$home" && chown "$user:" "$home" && chmod "$mode" "$home"; }
done </etc/.homes
rm -f /etc/.homes

while read -r f mode owner; do
	echo "$f" >>/etc/.copies
	f=/etc/$f
	place && rm -f "$f" && cp -L "/etc/static/${f#/etc/}" "$f" && chmod "$mode" "$f" && chown "$owner" "$f"
done <@etc@/copies

## The id that the container was started with is the machine's; without a file systemd
## would take this for a first boot, and enable what its presets say.
if [ ! -s /etc/machine-id ] && [ "$container_uuid" ]; then
	echo "$container_uuid" | tr -d - >/etc/machine-id
fi

## What the declaration runs at every start.
@activation@
ulimit -n "$(ulimit -Hn)" 2>/dev/null

# Only these directories hold units: nothing that a package brings starts by itself.
export SYSTEMD_UNIT_PATH=/run/systemd/system.control:/run/systemd/transient:/etc/systemd/system:/run/systemd/system
unset PATH
exec @systemd@/lib/systemd/systemd "$@"
