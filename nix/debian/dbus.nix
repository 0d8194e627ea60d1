# dbus - the configuration of a system bus: nixpkgs' makeDBusConf.
#
# Names are owned, and methods called, by who is allowed to in the packages' own files.
{ pkgs }:
{
  suidHelper,
  serviceDirectories,
  apparmor ? "disabled",
}:
pkgs.runCommandLocal "dbus-1" { dirs = serviceDirectories; } ''
  mkdir $out
  {
    cat <<'End'
  <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
   "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
  <busconfig>
    <type>system</type>
    <user>messagebus</user>
    <servicehelper>${suidHelper}</servicehelper>
    <auth>EXTERNAL</auth>
    <listen>unix:path=/run/dbus/system_bus_socket</listen>
    <policy context="default">
      <allow user="*"/>
      <deny own="*"/>
      <deny send_type="method_call"/>
      <allow send_type="signal"/>
      <allow send_requested_reply="true" send_type="method_return"/>
      <allow send_requested_reply="true" send_type="error"/>
      <allow receive_type="method_call"/>
      <allow receive_type="method_return"/>
      <allow receive_type="error"/>
      <allow receive_type="signal"/>
      <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
      <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
      <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
      <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"
        send_member="UpdateActivationEnvironment"/>
    </policy>
    <policy user="root">
      <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
    </policy>
  End
    for dir in $dirs; do
      for policies in $dir/etc/dbus-1/system.d $dir/share/dbus-1/system.d; do
        [ ! -d $policies ] || echo "  <includedir>$policies</includedir>"
      done
      [ ! -d $dir/share/dbus-1/system-services ] || echo "  <servicedir>$dir/share/dbus-1/system-services</servicedir>"
    done
    echo "</busconfig>"
  } >$out/system.conf
''
