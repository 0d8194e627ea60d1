# merge.pl - one tree of links over several trees: merge.pl OUT TREE...
#
# A directory that only one tree has is a link to it, the others are made and merged; with
# `deep' in the environment all are made.
# Of a file that several trees have, the first counts. OUT is absolute. What is named
# in the environment's `exclude' (relative paths, separated by spaces) stays out.
use strict;
use warnings;

my ($out, @trees) = @ARGV;
my %exclude = map { $_ => 1 } split ' ', $ENV{exclude} // 'nix-support';

sub merge {
	my ($rel, @dirs) = @_;
	my %at;
	for my $dir (@dirs) {
		opendir(my $d, $dir) or die "$dir: $!\n";
		push @{ $at{$_} }, "$dir/$_" for grep { $_ ne '.' && $_ ne '..' } readdir $d;
	}
	for my $name (sort keys %at) {
		my $path = $rel eq '' ? $name : "$rel/$name";
		next if $exclude{$path};
		my @here = @{ $at{$name} };
		my @subdirs = grep { -d $_ } @here;
		my $real = $ENV{deep} || @subdirs > 1 || -d "$out/$path" || grep { index($_, "$path/") == 0 } keys %exclude;
		if (-d $here[0] && $real) {
			-d "$out/$path" or mkdir "$out/$path" or die "$out/$path: $!\n";
			merge($path, @subdirs);
		} elsif (!-l "$out/$path" && !-e "$out/$path") {
			symlink($here[0], "$out/$path") or die "$out/$path: $!\n";
		}
	}
}

-d $out or mkdir $out or die "$out: $!\n";
merge('', map { s{/+$}{}r } @trees);
