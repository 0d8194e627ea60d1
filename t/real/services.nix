# The services that t/nixos-real.t runs: NixOS' own modules, one container of them all.
{ properties, lib, ... }:
{
  # dnsmasq configures interfaces, or might; the others need no more than the ports below 1024.
  caps_allow = [ "CAP_NET_BIND_SERVICE" "CAP_NET_ADMIN" ];
  network.interfaces.veth = {
    ip4 = properties.ip4 or "10.0.0.2/31";
    hostIp4 = properties.hostIp4 or "10.0.0.3/31";
  };
  systemdDeps = [ "plain" ];

  config =
    { pkgs, ... }:
    {
      services.httpd = {
        enable = true;
        adminAddr = "webmaster@example.org";
      };
      services.nginx = {
        enable = true;
        virtualHosts.default = {
          listen = [ { addr = "0.0.0.0"; port = 8080; } ];
          root = pkgs.writeTextDir "index.html" "nginx serves\n";
        };
      };
      services.dnsmasq = {
        enable = true;
        settings.address = "/unit.test/192.0.2.7";
      };
      services.openssh = {
        enable = true;
        startWhenNeeded = false;
      };
      users.users.root.openssh.authorizedKeys.keys = lib.optional (properties ? key) properties.key;
      services.redis.servers."" = {
        enable = true;
        port = 6379;
      };
      services.postgresql = {
        enable = true;
        package = pkgs.postgresql;
        ensureDatabases = [ "shop" ];
      };
      services.prometheus.exporters.node.enable = true;

      # One of the declaration's own; and one that asks for what a container can't give.
      systemd.services.plain = {
        wantedBy = [ "multi-user.target" ];
        script = "ip -4 -brief address show dev veth >/run/plain; exec sleep infinity";
        path = [ pkgs.iproute2 ];
      };
      systemd.services.sandboxed = import ./sandboxed.nix;
      system.stateVersion = "24.11";
    };
}
