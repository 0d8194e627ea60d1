# bash completion for nixunits(1) and its applets, nu-*(1)

_nixunits() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} applet words
	local -i first=2 # the place of an applet's first operand, if no option precedes it
	local -A verbs=([net]='plan up down show check graph' [caps]='plan show check exec'
		[uid]='show alloc free' [overlay]='mount umount show')

	COMPREPLY=()
	if [[ ${1##*/} == nu-* ]]; then
		applet=${1##*/nu-} applet=${applet#nu-} first=1
	elif ((COMP_CWORD > 1)); then
		applet=${COMP_WORDS[1]}
	fi

	if [[ -z $applet ]]; then
		words="$(nixunits --list 2>/dev/null | cut -d' ' -f1)
			--help --install --list --version"
	elif [[ $cur == -* ]]; then
		words=$(nixunits "$applet" --help 2>/dev/null | grep -oE '^ +(-., )? *--[a-z0-9-]+' |
			grep -oE -- '--[a-z0-9-]+')
	elif [[ $prev == -n || $prev == --nix || $prev == -j || $prev == --json || $prev == --nixpkgs || $prev == --modules ||
		$applet == image && $prev == -[oc] ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	elif [[ -n ${verbs[$applet]} ]] && ((COMP_CWORD == first)); then
		words=${verbs[$applet]}
	else
		words=$(nixunits list -q 2>/dev/null)
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _nixunits nixunits $(nixunits --list 2>/dev/null | sed 's/^\([a-z0-9]*\) .*/nu-\1/')
