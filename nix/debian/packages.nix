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
  postgresql = newest "postgresql-[0-9]+" "postgresql";
  php = newest "php[0-9.]+-cli" "php-cli";
  bash = {
    debian = [ "bash" ];
    aliases."bin/sh" = "bin/bash";
    passthru.shellPath = "/bin/bash";
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

  packages = {
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
    nginx = {
      debian = [ "nginx" "nginx-core" "nginx-light" "nginx-full" "nginx-common" ];
      conffiles = map (f: "nginx/${f}") [ "mime.types" "fastcgi.conf" "fastcgi_params" "scgi_params" "uwsgi_params" ];
      without = [ "iproute2" ];
    };
    dnsmasq.debian = [ "dnsmasq-base" ];
    redis = {
      debian = [ "redis-tools" ];
      mainProgram = "redis-server";
    };
    postgresql = {
      debian = [ postgresql (lib.replaceStrings [ "postgresql" ] [ "postgresql-client" ] postgresql) ];
      mainProgram = "postgres";
    };
    php.debian = [ php ];
    python3.debian = [ "python3" "python3-minimal" ];
    openssh = {
      debian = [ "openssh-client" "openssh-server" "openssh-sftp-server" ];
      mainProgram = "ssh";
    };
    systemd = {
      debian = [ "systemd" "systemd-sysv" ];
      mainProgram = "systemctl";
    };
    systemdMinimal = {
      debian = [ "systemd" "systemd-sysv" ];
      mainProgram = "systemctl";
    };
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
    procps.mainProgram = "ps";
    gnugrep.debian = [ "grep" ];
    gnused.debian = [ "sed" ];
    gnutar.debian = [ "tar" ];
    gnumake.debian = [ "make" ];
    gnupatch.debian = [ "patch" ];
    gawk.debian = [ "gawk" ];
    xz.debian = [ "xz-utils" ];
    busybox = {
      debian = [ "busybox-static" ];
      mainProgram = "busybox";
    };
    glibc.debian = [ "libc6" "libc-bin" ];
    getent.debian = [ "libc-bin" ];
    glibcLocales.debian = [ "libc-bin" ];
    libcap.debian = [ "libcap2-bin" ];
    kmod.mainProgram = "kmod";
    dbus.debian = [ "dbus" "dbus-bin" "dbus-daemon" ];
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
