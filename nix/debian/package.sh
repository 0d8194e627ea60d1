# package.sh - the files of one installed Debian package, copied to $out.
#
# In: package, architecture, version. usr/ is left away and sbin is bin, so that
# $out/bin/PROGRAM and $out/lib are what they are in nixpkgs. Documentation, manual
# pages and translations stay out, and so do /var and /etc: they are state, and a
# host's /etc is not for builders to read.

info=/var/lib/dpkg/info
for list in $info/$package.list $info/$package:$architecture.list; do
	[ ! -e "$list" ] || break
done
if [ ! -e "$list" ]; then
	echo "$package: dpkg's file list is not here: is $info among the sandbox-paths?" >&2
	exit 1
fi

mkdir -p $out/nix-support
echo "$package $version" >$out/nix-support/debian-package
cd $out

# place PATH - where a file of the host's is below $out.
place() {
	p=${1#/}
	p=${p#usr/}
	case $p in sbin/* | games/*) p=bin/${p#*/} ;; esac
	printf '%s' "$p"
}
# leads_home LINK - whether it and what it leads to are one name here: /usr/sbin/ip -> /bin/ip.
leads_home() {
	local target
	target=$(readlink "$1")
	case $target in /*) ;; *) target=$(realpath -ms "${1%/*}/$target") ;; esac
	[ "$(place "$1")" = "$(place "$target")" ]
}

# Directories come by themselves; a file that the host lacks was left out on purpose
# (dpkg's path-exclude), or diverted.
grep -E '^/(usr/)?(bin|sbin|lib|lib32|lib64|libexec|games|share|include)/' "$list" |
	grep -Ev '^/usr/share/(doc|man|info|locale|lintian|bug|doc-base|menu|help|gtk-doc|reportbug)/' |
	while IFS= read -r f; do
		[ -L "$f" ] && leads_home "$f" && continue
		[ -d "$f" ] && [ ! -L "$f" ] || [ ! -e "$f" -a ! -L "$f" ] || printf '%s\n' "${f#/}"
	done >.files

if [ -s .files ]; then
	tar -C / --no-recursion --mode=u+rw,go-w,a-s -cf - -T $out/.files \
		--transform='flags=rSh;s,^usr/,,' --transform='flags=rSh;s,^\(sbin\|games\)/,bin/,' |
		tar --no-same-owner -xf -
fi

# Alternatives that this package offers: the links that update-alternatives would make.
# (The file: status, link, slaves' names and links, empty line; then for each candidate
# its path, its priority and its slaves' paths.)
alternative() {
	local link target name path i
	local -a links=()
	read -r _ && read -r link
	links=("$link")
	while read -r name && [ "$name" ]; do
		read -r link
		links+=("$link")
	done
	while read -r path && [ "$path" ]; do
		read -r _
		local -a paths=("$path")
		for ((i = 1; i < ${#links[@]}; i++)); do
			read -r target || target=
			paths+=("$target")
		done
		for i in "${!links[@]}"; do
			link=$(place "${links[i]}") target=$(place "${paths[i]}")
			[ "${paths[i]}" ] && [ -e "$target" ] && [ ! -e "$link" ] || continue
			mkdir -p "$(dirname "$link")"
			ln -sn "$out/$target" "$link"
		done
	done
}
sed 's,^,/,' .files | grep -lxFf - /var/lib/dpkg/alternatives/* 2>/dev/null | while read -r f; do
	alternative <"$f"
done

# A link by absolute path to a file that came along leads to the copy. Others stay: they
# lead to another package's file, which a guest has in its /usr.
find . -type l -lname '/*' | while IFS= read -r l; do
	target=$(readlink "$l")
	mine=$(place "$target")
	[ "$target" = "${target#$out}" ] && [ -e "$mine" ] && ln -sfn "$out/$mine" "$l" || :
done
# So does a relative one to a file that did not come along.
find . -xtype l ! -lname '/*' | while IFS= read -r l; do
	ln -sfn "$(realpath -ms "/usr/${l%/*}/$(readlink "$l")")" "$l"
done
rm .files
