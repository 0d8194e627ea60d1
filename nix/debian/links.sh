# links.sh - a package as it is referred to: links to its files, and its closure by name.
#
# In: own (store paths of the files), closure (those of every dependency, own included),
# aliases (LINK=TARGET, relative to $out).

mkdir -p $out/nix-support
echo "$closure" >$out/nix-support/debian-closure
cd $out
set -- $own
if [ $# = 1 ] && [ -z "$aliases" ]; then
	for d in $1/*; do
		[ "${d##*/}" = nix-support ] || ln -s "$d" .
	done
else
	# A directory that exists is merged into, not linked.
	for a in $aliases; do mkdir -p "$(dirname "${a%%=*}")"; done
	perl "$merge" $out $own
	for a in $aliases; do
		ln -sfn "$(readlink -f "${a#*=}")" "${a%%=*}"
	done
fi
