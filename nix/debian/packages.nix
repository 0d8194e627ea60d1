# packages - what nixpkgs calls by another name than Debian, or makes of other parts.
#
# Every installed Debian package is an attribute under its Debian name; this file is
# only for the rest. debian: the packages it is made of, the first must be installed,
# the others are added if they are. dpkg.nix says what else an entry may hold.
{ dpkg, lib }:
let
  # The newest installed of a family: postgresql-15, php8.2-cli, …
  newest =
    pattern: fallback:
    let
      found = lib.filter (n: builtins.match pattern n != null) (lib.attrNames dpkg.index);
    in
    if found == [ ] then fallback else lib.last (lib.sort lib.versionOlder found);
  postgresql = lib.last (lib.splitString "-" (newest "postgresql-[0-9]+" "postgresql-15"));
  php = newest "php[0-9.]+-cli" "php-cli";
  # With what NixOS' modules ask of it: the parts that they add units for, of which a
  # container needs none, and where its own units are.
  systemd = {
    debian = [ "systemd" "systemd-sysv" ];
    mainProgram = "systemctl";
    aliases = {
      "example/sysctl.d" = "lib/sysctl.d";
      "example/tmpfiles.d" = "lib/tmpfiles.d";
    };
    passthru =
      lib.genAttrs (map (part: "with${part}") [
        "Bootloader"
        "Cryptsetup"
        "Efi"
        "Hostnamed"
        "Importd"
        "Localed"
        "Logind"
        "Machined"
        "Nspawn"
        "Portabled"
        "Repart"
        "Timedated"
        "Tpm2Tss"
        "Tpm2Units"
        "TpmUnits"
        "Utmp"
      ]) (_: false)
      // {
        interfaceVersion = 2;
      };
  };
  nginx = {
    one = true;
    passthru.modules = [ ];
    aliases.conf = "etc/nginx";
    debian = [ "nginx" "nginx-core" "nginx-light" "nginx-full" "nginx-common" ];
    conffiles = map (f: "nginx/${f}") [ "mime.types" "fastcgi.conf" "fastcgi_params" "scgi_params" "uwsgi_params" ];
    without = [ "iproute2" ];
  };
  bash = {
    debian = [ "bash" ];
    aliases."bin/sh" = "bin/bash";
    passthru.shellPath = "/bin/bash";
  };
  postgresqlOf = major: {
    debian = [ "postgresql-${major}" "postgresql-client-${major}" ];
    mainProgram = "postgres";
    aliases.bin = "lib/postgresql/${major}/bin";
    passthru.psqlSchema = major;
    one = true;
  };
in
{
  # Needed by maintainer scripts, never by the programs.
  ignored = [
    "adduser"
    "base-files"
    "base-passwd"
    "cdebconf"
    "debconf"
    "debconf-2.0"
    "debianutils"
    "dpkg"
    "init-system-helpers"
    "install-info"
    "lsb-base"
    "passwd"
    "sensible-utils"
    "sysvinit-utils"
    "systemd-sysv"
    "ucf"
  ];

  # What NixOS' own modules put into every system, and a container can't use: there, but
  # empty, unless the Debian package of that name is installed.
  empty = [
    "acl"
    "attr"
    "audit"
    "cpio"
    "dosfstools"
    "fuse"
    "fuse3"
    "host"
    "nixos-init"
    "xauth"
  ];
  # What they only look at: building it is an error.
  absent = [
    "fish"
    "kexec-tools"
    "openresty"
    "tengine"
    "xonsh"
    "zsh"
  ];

  perlPackages = {
    FileSlurp = "libfile-slurp-perl";
    JSON = "libjson-perl";
  };

  packages = lib.listToAttrs (
    map (major: lib.nameValuePair "postgresql_${major}" (postgresqlOf major)) (map toString (lib.range 13 19))
  ) // {
    postgresql = postgresqlOf postgresql;
    inherit bash;
    bashInteractive = bash;
    bashNonInteractive = bash;
    runtimeShellPackage = bash;
    apacheHttpd = {
      debian = [ "apache2-bin" ];
      mainProgram = "httpd";
      aliases = {
        "bin/httpd" = "bin/apache2";
        modules = "lib/apache2/modules";
      };
      passthru.luaSupport = false;
      # Only dbmmanage and split-logfile are written in Perl.
      without = [ "perl" ];
    };
    inherit nginx;
    nginxStable = nginx;
    dnsmasq.debian = [ "dnsmasq-base" ];
    redis = {
      debian = [ "redis-tools" "redis-server" ];
      mainProgram = "redis-server";
    };
    php.debian = [ php ];
    perl = {
      debian = [ "perl-base" "perl" ];
      mainProgram = "perl";
    };
    python3.debian = [ "python3" "python3-minimal" ];
    openssh = {
      debian = [ "openssh-client" "openssh-server" "openssh-sftp-server" ];
      mainProgram = "ssh";
    };
    inherit systemd;
    util-linux = {
      debian = [ "util-linux" "mount" "bsdutils" "fdisk" "util-linux-extra" ];
      mainProgram = "mount";
    };
    util-linuxMinimal.debian = [ "util-linux" "mount" "bsdutils" ];
    shadow = {
      debian = [ "passwd" "login" ];
      mainProgram = "login";
      passthru.shellPath = "/bin/nologin";
    };
    iputils.debian = [ "iputils-ping" "iputils-tracepath" "iputils-arping" ];
    inetutils.debian = [ "hostname" "telnet" "ftp" ];
    nettools.debian = [ "hostname" "net-tools" ];
    pam = {
      debian = [ "libpam-modules" "libpam-modules-bin" "libpam0g" ];
      aliases."lib/security" = "lib/${dpkg.triplet}/security";
    };
    libmnl.debian = [ "libmnl-dev" "libmnl0" ];
    cjson.debian = [ "libcjson-dev" "libcjson1" ];
    # (Named as in Debian: they need not be installed to be looked at.)
    bzip2 = { };
    curl = { };
    findutils = { };
    less = { };
    time = { };
    zstd = { };
    libxcrypt = {
      debian = [ "libcrypt1" ];
      passthru.enabledCryptSchemeIds = [ "y" "gy" "7" "2b" "2y" "2a" "2x" "6" "5" ];
    };
    prometheus-node-exporter.aliases."bin/node_exporter" = "bin/prometheus-node-exporter";
    procps.mainProgram = "ps";
    gnugrep.debian = [ "grep" ];
    gnused.debian = [ "sed" ];
    gnupatch.debian = [ "patch" ];
    ncurses.debian = [ "ncurses-bin" "ncurses-base" ];
    netcat.debian = [ "netcat-openbsd" ];
    mkpasswd.debian = [ "whois" ];
    which.debian = [ "debianutils" ];
    su.debian = [ "util-linux" ];
    gnutar.debian = [ "tar" ];
    gnumake.debian = [ "make" ];
    gawk.debian = if dpkg.index ? gawk then [ "gawk" ] else [ "mawk" ];
    coreutils-full.debian = [ "coreutils" ];
    xz.debian = [ "xz-utils" ];
    busybox = {
      debian = [ "busybox-static" ];
      mainProgram = "busybox";
    };
    glibc = {
      debian = [ "libc6" "libc-bin" ];
      conffiles = [ "rpc" ];
    };
    getent.debian = [ "libc-bin" ];
    getconf.debian = [ "libc-bin" ];
    # C.UTF-8, whatever others are asked for.
    glibcLocales = {
      debian = [ "libc-bin" ];
      one = true;
    };
    libcap.debian = [ "libcap2-bin" ];
    kmod.mainProgram = "kmod";
    dbus.debian = [ "dbus" "dbus-bin" "dbus-daemon" "dbus-system-bus-common" "dbus-session-bus-common" ];
    iana-etc = {
      debian = [ "netbase" ];
      conffiles = [ "services" "protocols" ];
    };
    cacert-files.debian = [ "ca-certificates" ];
    bind.debian = [ "bind9" "bind9-utils" ];
    dnsutils.debian = [ "bind9-dnsutils" ];
    openvswitch.debian = [ "openvswitch-switch" "openvswitch-common" ];
  };
}
