# A service that asks for what a container cannot give.
{
  wantedBy = [ "multi-user.target" ];
  script = ''
    { id -un; touch /var/lib/sandboxed/mine && echo writes; touch /etc/x || echo kept out; } >/run/sandboxed/said 2>&1
    exec sleep infinity
  '';
  serviceConfig = {
    DynamicUser = true;
    StateDirectory = "sandboxed";
    RuntimeDirectory = "sandboxed";
    BindReadOnlyPaths = [ "/etc/hostname" ];
    TemporaryFileSystem = "/srv";
    LogNamespace = "own";
    PrivateUsers = true;
    CPUSchedulingPolicy = "fifo";
    CPUSchedulingPriority = 10;
    IOSchedulingClass = "realtime";
    ProtectKernelLogs = true;
    ProtectProc = "invisible";
    PrivateNetwork = false;
    PrivateDevices = true;
    SystemCallFilter = [ "@system-service" ];
  };
}
