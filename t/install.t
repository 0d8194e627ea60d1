#!/bin/sh
# nu-install into a directory: complete, repeatable, safe when it fails, gone when removed.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
N=$REPO/build/nixunits
D=$T/dest P=$T/dest/usr/local
install() { run "$N" install --destdir "$D" "$@"; }
# Everything below a directory, with what a rewrite would change.
state() { (cd "$1" && find . -printf '%p %y %m %s %i %T@ %l\n' | LC_ALL=C sort); }

[ -x "$N" ] || bail_out "$N is not built"

# The first time.
install -n
succeeds 'a dry run'
like "$out" "^install +$P/bin/nixunits\$" 'says what it would do'
not_ok 'and does nothing' test -e "$D"
install
succeeds 'installs into an empty DESTDIR'
is "$out" '' 'without a word on stdout'
like "$err" 'installed: [0-9]+ files new, 0 replaced, 0 removed' 'a summary on stderr'
ok 'the binary is this binary' cmp "$N" "$P/bin/nixunits"
is "$("$N" --list | while read -r name _; do
	readlink "$P/bin/nu-$name" | grep -qx nixunits || echo "$name"; done)" '' \
	'every applet has its symlink'
is "$(cd "$REPO" && find nix -type f ! -name '.*' ! -name '*~' ! -name '*.md' | while read -r f; do
	cmp -s "$f" "$P/share/nixunits/$f" || echo "$f"; done)" '' 'the nix code is there'
is "$(cd "$REPO" && find man -type f -name '*.[1-9]' | while read -r f; do
	cmp -s "$f" "$P/share/man/man${f##*.}/${f#man/}" || echo "$f"; done)" '' \
	'the man pages are there'
ok 'bash reads the completion' bash -n "$P/share/bash-completion/completions/nixunits"
unit=$P/lib/systemd/system/nixunits@.service
like "$(cat "$unit")" '^ExecStart=/usr/local/bin/nixunits run %i$' 'the unit runs it by its path'
unlike "$(cat "$unit")" '@[A-Z]+@' 'and no mark is left in it'
run "$P/bin/nu-uid" -h
succeeds 'what is installed runs'

# Again.
state "$D" >"$T/first"
install
succeeds 'installs again'
like "$err" 'nothing to do' 'and says there is nothing to do'
is "$(state "$D")" "$(cat "$T/first")" 'and touches nothing'
install -q
is "$out$err" '' '-q says nothing'

# Another version before it.
echo more >>"$unit"
mkdir "$P/share/nixunits/nix/old"
echo old >"$P/share/nixunits/nix/old/gone.nix"
sed -i '$i /usr/local/share/nixunits/nix/old/gone.nix' "$P/share/nixunits/manifest"
echo /usr/local/share/nixunits/nix/old/ >>"$P/share/nixunits/manifest"
install -v
succeeds 'installs over an older version'
like "$out" "^replace +$unit\$" 'replaces what differs'
unlike "$(cat "$unit")" more 'with what it carries'
like "$err" '0 files new, 1 replaced, 1 removed' 'and counts'
not_ok 'what is no longer brought is gone, with its directory' \
	test -e "$P/share/nixunits/nix/old"
install
like "$err" 'nothing to do' 'and is then complete'

# While it runs.
mkfifo "$T/fifo"
printf x >>"$P/bin/nixunits"
"$P/bin/nixunits" caps plan - <"$T/fifo" >/dev/null 2>&1 &
exec 3>"$T/fifo"
install
succeeds 'replaces a binary that runs'
ok 'with the new one' cmp "$N" "$P/bin/nixunits"
exec 3>&-
wait
rm "$P/bin/nu-uid"
run "$P/bin/nixunits" install --destdir "$D" --prefix /usr/local
succeeds 'the installed binary repairs its own installation'
ok 'with a symlink' test -L "$P/bin/nu-uid"

# What is somebody else's.
cp -a "$D" "$T/other"
rm "$T/other/usr/local/bin/nu-uid"
echo mine >"$T/other/usr/local/bin/nu-uid"
sed -i /nu-uid/d "$T/other/usr/local/share/nixunits/manifest"
printf x >>"$T/other/usr/local/bin/nixunits"
state "$T/other" >"$T/before"
run "$N" install --destdir "$T/other"
is "$status" 1 'a file that is not ours stops it'
like "$err" 'bin/nu-uid: there already' 'by its name'
is "$(state "$T/other")" "$(cat "$T/before")" 'with nothing changed'
run "$N" install --destdir "$T/other" --force
succeeds '--force replaces it'
ok 'by ours' test -L "$T/other/usr/local/bin/nu-uid"
mkdir "$T/links" "$T/links/usr" "$T/links/usr/local" "$T/links/usr/local/bin"
run "$N" --install "$T/links/usr/local/bin"
run "$N" install --destdir "$T/links"
succeeds 'symlinks of nixunits --install are ours'

# Failures half-way.
flock "$P/share/nixunits" sh -c "rm '$P/bin/nu-uid'; '$N' install --destdir '$D'" 2>"$T/err"
is "$?" 4 'two at once: the second is told so'
like "$(cat "$T/err")" 'another nu-install is at work' 'in words'
install
if [ "$(id -u)" = 0 ] && mkdir "$T/small" && mount -t tmpfs -o size=4m none "$T/small" 2>/dev/null; then
	at_exit umount "$T/small"
	run "$N" install --destdir "$T/small"
	succeeds 'installs into a small filesystem'
	printf x >>"$T/small/usr/local/bin/nixunits"
	echo x >>"$T/small/usr/local/share/nixunits/nix/host/nixunits.bash"
	dd if=/dev/zero of="$T/small/fill" bs=64k 2>/dev/null
	state "$T/small/usr" | sed 's/ [0-9.]* $//' >"$T/before"
	run "$N" install --destdir "$T/small"
	is "$status" 1 'no space left: it fails'
	like "$err" 'No space left' 'for that reason'
	is "$(state "$T/small/usr" | sed 's/ [0-9.]* $//')" "$(cat "$T/before")" \
		'and the old installation is as it was'
	rm "$T/small/fill"
	mkdir "$T/small/x"
	dd if=/dev/zero of="$T/small/fill" bs=64k 2>/dev/null
	run "$N" install --destdir "$T/small/x"
	is "$status $(find "$T/small/x" -mindepth 1)" '1 ' 'a first one that fails leaves nothing'
else
	skip 'no tmpfs here' 'no space left'
fi

# Away with it.
touch "$P/share/nixunits/notes"
mkdir -p "$D/etc/systemd/system/multi-user.target.wants"
ln -s /usr/local/lib/systemd/system/nixunits@.service \
	"$D/etc/systemd/system/multi-user.target.wants/nixunits@web2.service"
ln -s /lib/systemd/system/cron.service "$D/etc/systemd/system/multi-user.target.wants/"
state "$D" >"$T/before"
install --uninstall -n
like "$out" "^remove +$P/bin/nixunits\$" '--uninstall -n says what it would do'
is "$(state "$D")" "$(cat "$T/before")" 'and does nothing'
cp "$P/share/nixunits/manifest" "$T/manifest"
echo /etc/passwd >>"$P/share/nixunits/manifest"
install --uninstall
is "$status" 1 'a manifest with a foreign path is refused'
echo /usr/local/../../etc/passwd >"$P/share/nixunits/manifest"
install --uninstall
is "$status" 1 'and one with ".." in it'
cp "$T/manifest" "$P/share/nixunits/manifest"
install --uninstall
succeeds '--uninstall'
like "$err" 'nixunits@web2.service is no longer started at boot' 'says which units it disables'
is "$(cd "$D" && find . ! -type d | sort)" './etc/systemd/system/multi-user.target.wants/cron.service
./usr/local/share/nixunits/notes' 'leaves what is not ours, and nothing else'
install --uninstall
succeeds 'again'
like "$err" 'not installed here' 'and there is nothing to do'
rm -r "$D"
install
install --uninstall
is "$(find "$D" -mindepth 1)" '' 'install and uninstall leave an empty directory empty'

# Another prefix.
install --prefix /opt/nixunits/
succeeds 'another prefix'
like "$(cat "$D/etc/systemd/system/nixunits@.service")" '^ExecStart=/opt/nixunits/bin/nixunits' \
	'has its unit where systemd looks'
install --prefix /opt/nixunits --uninstall
is "$(find "$D" -mindepth 1)" '' 'and leaves nothing'
for bad in relative '/a b' /a/../b '/a%i' ''; do
	install --prefix "$bad"
	is "$status" 2 "--prefix '$bad' is refused"
done
run make -s -C "$REPO" -o build/nixunits install DESTDIR="$D" PREFIX=/usr
succeeds 'make install'
ok 'with PREFIX and DESTDIR' test -x "$D/usr/bin/nixunits" -a -e "$D/usr/lib/systemd/system/nixunits@.service"
run make -s -C "$REPO" -o build/nixunits uninstall DESTDIR="$D" PREFIX=/usr
is "$(find "$D" -mindepth 1)" '' 'make uninstall'

done_testing
