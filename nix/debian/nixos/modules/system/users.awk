# users.awk - passwd, group and shadow from what is declared, what is there, and the
# numbers given before. Writes /etc/.passwd.new, .group.new, .shadow.new and .homes.
#
# Input: the declared users and groups (see users.nix). -v mutable=1 keeps others.

function read_old(file, into,    line, part) {
	while ((getline line < file) > 0) {
		split(line, part, ":")
		if (part[1] != "") into[part[1]] = line
	}
	close(file)
}
# A number that nobody has: what the name had before, else the highest free below 1000
# (services) or the lowest free from 1000 (people).
function pick(name, given, taken, before, person,    n) {
	if (given != "-") n = given
	else if (name in before && (!(before[name] in taken) || taken[before[name]] == name)) n = before[name]
	else if (person) for (n = 1000; n in taken; n++);
	else for (n = 999; n in taken; n--);
	taken[n] = name
	return n
}
function read_map(file, map,    line, part) {
	while ((getline line < file) > 0) {
		split(line, part, ":")
		map[part[1]] = part[2]
	}
	close(file)
}

BEGIN {
	FS = ":"
	read_old("/etc/passwd", old_passwd)
	read_old("/etc/group", old_group)
	read_old("/etc/shadow", old_shadow)
	read_map("/var/lib/nixos/uid-map", uid_before)
	read_map("/var/lib/nixos/gid-map", gid_before)
	read_map("/var/lib/nixos/declared", declared_before)
}
$1 == "g" { group[++groups] = $0; is_group[$2] = 1; if ($3 != "-") gid_taken[$3] = $2 }
$1 == "u" { user[++users] = $0; is_user[$2] = 1; if ($3 != "-") uid_taken[$3] = $2 }

END {
	# Numbers once given are not given to another name.
	for (name in uid_before) if (!(uid_before[name] in uid_taken)) uid_taken[uid_before[name]] = name
	for (name in gid_before) if (!(gid_before[name] in gid_taken)) gid_taken[gid_before[name]] = name
	if (mutable) {
		for (name in old_passwd) if (!(name in is_user) && !(("u" name) in declared_before)) {
			split(old_passwd[name], p, ":")
			uid_taken[p[3]] = name
			kept[name] = 1
		}
		for (name in old_group) if (!(name in is_group) && !(("g" name) in declared_before)) {
			split(old_group[name], p, ":")
			gid_taken[p[3]] = name
			print old_group[name] > "/etc/.group.new"
		}
	}

	for (i = 1; i <= groups; i++) {
		split(group[i], g, ":")
		gid[g[2]] = pick(g[2], g[3], gid_taken, gid_before, 0)
		print g[2] ":x:" gid[g[2]] ":" g[4] > "/etc/.group.new"
		print g[2] ":" gid[g[2]] > "/var/lib/nixos/gid-map.new"
		print "g" g[2] > "/var/lib/nixos/declared.new"
	}
	for (name in gid_before) if (!(name in is_group)) print name ":" gid_before[name] > "/var/lib/nixos/gid-map.new"

	for (i = 1; i <= users; i++) {
		split(user[i], u, ":")
		name = u[2]
		uid = pick(name, u[3], uid_taken, uid_before, u[6] ~ /^\/home\//)
		print name ":x:" uid ":" gid[u[4]] ":" u[5] ":" u[6] ":" u[7] > "/etc/.passwd.new"
		# A declared password counts; else the one that is there, else the first one.
		split(old_shadow[name], s, ":")
		password = u[8] != "" ? u[8] : mutable && s[2] != "" && s[2] != "!" ? s[2] : u[9] != "" ? u[9] : "!"
		print name ":" password ":1::::::" > "/etc/.shadow.new"
		print name ":" uid > "/var/lib/nixos/uid-map.new"
		print "u" name > "/var/lib/nixos/declared.new"
		if (u[10] != "") print name ":" u[6] ":" u[10] > "/etc/.homes"
	}
	for (name in uid_before) if (!(name in is_user)) print name ":" uid_before[name] > "/var/lib/nixos/uid-map.new"
	for (name in kept) {
		print old_passwd[name] > "/etc/.passwd.new"
		if (name in old_shadow) print old_shadow[name] > "/etc/.shadow.new"
	}
	printf "" >> "/etc/.homes"
	close("/etc/.shadow.new")
	exit system("chmod 600 /etc/.shadow.new && cd /var/lib/nixos && for f in uid-map gid-map declared; do mv -f $f.new $f; done")
}
