# With a D-Bus: dnsmasq, which says there that it is ready. (It wants CAP_NET_RAW then.)
{ properties, ... }:
{
  dbus = true;
  caps_allow = [ "CAP_NET_ADMIN" "CAP_NET_BIND_SERVICE" "CAP_NET_RAW" ];
  network.interfaces.veth = {
    ip4 = properties.ip4 or "10.0.0.2/31";
    hostIp4 = properties.hostIp4 or "10.0.0.3/31";
  };
  config = {
    services.dnsmasq.enable = true;
    system.stateVersion = "24.11";
  };
}
