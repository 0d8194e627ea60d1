# usr.sh - /usr, and / as far as it is one with it: links into the closure. Sourced by a
# guest's init, with $system set; only busybox runs until then. /usr itself is the root's.
mkdir -p /usr
for d in bin sbin lib lib64 lib32 libexec share include; do
	if [ -L /usr/$d ] || [ ! -e /usr/$d ]; then
		if [ -e $system/usr/$d ]; then
			[ "$(readlink /usr/$d)" = $system/usr/$d ] || ln -sfn $system/usr/$d /usr/$d
		else
			rm -f /usr/$d
		fi
	else
		echo "init: /usr/$d is not a link: the system's own is not used" >&2
	fi
	case $d in
	bin | sbin | lib | lib64 | lib32)
		if [ -L /$d ] || [ ! -e /$d ]; then
			if [ -e /usr/$d ]; then ln -sfn usr/$d /$d; else rm -f /$d; fi
		fi ;;
	esac
done
