# apache - what nixpkgs' Apache holds beside the programs and Debian's does not: link -> file.
{ pkgs }:
{
  # A page for where no site is declared yet.
  htdocs = pkgs.writeTextDir "index.html" ''
    <!DOCTYPE html>
    <html lang="en">
    <head><meta charset="utf-8"><title>It runs</title></head>
    <body>
    <h1>It runs</h1>
    <p>This is the Apache server of a NixUnits container. It has no site yet:
    declare one in <code>services.httpd.virtualHosts</code>.</p>
    </body>
    </html>
  '';
  "bin/apachectl" = pkgs.writeShellScript "apachectl" ''
    HTTPD=httpd
    case ''${1:-} in
    configtest) exec $HTTPD -t ;;
    start | stop | restart | graceful | graceful-stop) exec $HTTPD -f /etc/httpd/httpd.conf -k "$1" ;;
    *) exec $HTTPD "$@" ;;
    esac
  '';
  "conf/mime.types" = ./mime.types;
  "conf/magic" = pkgs.writeText "magic" "";
  "conf/extra/httpd-default.conf" = pkgs.writeText "httpd-default.conf" ''
    Timeout 60
    KeepAlive On
    MaxKeepAliveRequests 100
    KeepAliveTimeout 5
    UseCanonicalName Off
    AccessFileName .htaccess
    ServerTokens Full
    ServerSignature Off
    HostnameLookups Off
  '';
  "conf/extra/httpd-autoindex.conf" = pkgs.writeText "httpd-autoindex.conf" ''
    IndexOptions FancyIndexing HTMLTable VersionSort
    IndexIgnore .??* *~ *# HEADER* README*
  '';
  "conf/extra/httpd-multilang-errordoc.conf" = pkgs.emptyFile;
  "conf/extra/httpd-languages.conf" = pkgs.emptyFile;
}
