# journald: the guest's log, in its own files (which the host links to its own).
{ lib, config, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.journald;
in
{
  options.services.journald = {
    storage = mkOption {
      type = types.enum [ "persistent" "volatile" "auto" "none" ];
      default = "persistent";
      description = "Where the log is kept.";
    };
    rateLimitInterval = mkOption {
      type = types.str;
      default = "30s";
      description = "The interval of the limit on messages of one service.";
    };
    rateLimitBurst = mkOption {
      type = types.int;
      default = 10000;
      description = "How many messages of one service are kept in that interval.";
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      example = "Storage=volatile";
      description = "Further lines of journald.conf.";
    };
  };
  config.environment.etc."systemd/journald.conf".text = ''
    [Journal]
    Storage=${cfg.storage}
    RateLimitInterval=${cfg.rateLimitInterval}
    RateLimitBurst=${toString cfg.rateLimitBurst}
    ReadKMsg=no
    ${cfg.extraConfig}
  '';
}
