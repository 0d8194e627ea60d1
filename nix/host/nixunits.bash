# bash completion for nixunits(1) and its applets, nu-*(1)

_nixunits() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} applet words
	COMPREPLY=()
	case $1 in
	*nu-*) applet=${1##*/nu-} applet=${applet#nu-} ;;
	*) ((COMP_CWORD > 1)) && applet=${COMP_WORDS[1]} ;;
	esac

	if [[ -z $applet ]]; then
		words="$(nixunits --list 2>/dev/null | cut -d' ' -f1)
			--help --install --list --version"
	elif [[ $cur == -* ]]; then
		words=$(nixunits "$applet" --help 2>/dev/null | grep -oE '^ +(-., )? *--[a-z0-9-]+' |
			grep -oE -- '--[a-z0-9-]+')
	else
		case $prev in
		-n | --nix | -j | --json | -p | --nixpkgs)
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		esac
		words=$(nixunits list -q 2>/dev/null)
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _nixunits nixunits $(nixunits --list 2>/dev/null | sed 's/^\([a-z0-9]*\) .*/nu-\1/')
