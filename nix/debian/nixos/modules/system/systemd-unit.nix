# systemd-unit: the options of one unit, its text, and the directory of all of them.
# Used by systemd.nix.
{ lib, pkgs, config }:
let
  inherit (lib)
    concatMap
    concatStrings
    concatStringsSep
    isList
    mapAttrsToList
    mkIf
    mkMerge
    mkOption
    optionalAttrs
    ;
  inherit (lib) types;

  names = description: mkOption {
    type = types.listOf types.str;
    default = [ ];
    inherit description;
  };

  # Several definitions of a setting add up if one is a list; else they must agree.
  setting = lib.mkOptionType {
    name = "systemd setting";
    check = x: atom.check x || (isList x && lib.all atom.check x);
    merge =
      loc: defs:
      if lib.any (d: isList d.value) defs then
        concatMap (d: lib.toList d.value) defs
      else
        lib.mergeEqualOption loc defs;
  };
  atom = types.nullOr (
    types.oneOf [ types.bool types.int types.float types.str types.path types.package ]
  );
  section = description: mkOption {
    type = types.attrsOf setting;
    default = { };
    inherit description;
  };

  common = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the unit exists; if not, it is masked.";
    };
    description = mkOption {
      type = types.singleLineStr;
      default = "";
      description = "What the unit is, in a few words.";
    };
    documentation = names "Where to read about it.";
    requires = names "Units that this one needs, and stops with.";
    wants = names "Units that are started with this one.";
    upholds = names "Units that are kept running while this one is.";
    bindsTo = names "Units that this one lives and dies with.";
    partOf = names "Units whose stop or restart is this one's too.";
    requisite = names "Units that must be active already.";
    conflicts = names "Units that can't be active together with this one.";
    before = names "Units that start after this one.";
    after = names "Units that this one starts after.";
    onFailure = names "Units that are started when this one fails.";
    onSuccess = names "Units that are started when this one ends well.";
    wantedBy = names "Units that want this one.";
    requiredBy = names "Units that require this one.";
    upheldBy = names "Units that uphold this one.";
    aliases = names "Other names of the unit.";
    startLimitBurst = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "How often it may start within the interval.";
    };
    startLimitIntervalSec = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "The interval of startLimitBurst, in seconds.";
    };
    overrideStrategy = mkOption {
      type = types.enum [ "asDropinIfExists" "asDropin" ];
      default = "asDropinIfExists";
      description = "How the unit adds to one of the same name that a package brings.";
    };
    restartTriggers = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "Values whose change makes this another unit.";
    };
    reloadTriggers = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "Values whose change makes this another unit.";
    };
    unitConfig = section "Settings of the [Unit] section.";
  };

  # What a service module says of itself before its text is made.
  commonConfig =
    { config, ... }:
    {
      config.unitConfig =
        let
          of = key: value: optionalAttrs (value != [ ]) { ${key} = toString value; };
        in
        mkMerge [
          (of "Requires" config.requires)
          (of "Wants" config.wants)
          (of "Upholds" config.upholds)
          (of "BindsTo" config.bindsTo)
          (of "PartOf" config.partOf)
          (of "Requisite" config.requisite)
          (of "Conflicts" config.conflicts)
          (of "Before" config.before)
          (of "After" config.after)
          (of "OnFailure" config.onFailure)
          (of "OnSuccess" config.onSuccess)
          (of "Documentation" config.documentation)
          (optionalAttrs (config.description != "") { Description = config.description; })
          (optionalAttrs (config.startLimitBurst != null) { StartLimitBurst = toString config.startLimitBurst; })
          (optionalAttrs (config.startLimitIntervalSec != null) {
            StartLimitIntervalSec = toString config.startLimitIntervalSec;
          })
          (optionalAttrs (config.restartTriggers != [ ]) {
            X-Restart-Triggers = "${pkgs.writeText "restart-triggers" (toString config.restartTriggers)}";
          })
          (optionalAttrs (config.reloadTriggers != [ ]) {
            X-Reload-Triggers = "${pkgs.writeText "reload-triggers" (toString config.reloadTriggers)}";
          })
        ];
    };

  job = unit: step: text: "${pkgs.writeShellScript "unit-script-${lib.replaceStrings [ "@" "\\" ] [ "" "" ] unit}-${step}" "set -e\n\n${text}"}";

  script = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };

  serviceModule =
    { name, config, ... }:
    {
      options = {
        environment = mkOption {
          type = types.attrsOf (types.nullOr (types.oneOf [ types.str types.path types.package types.int ]));
          default = { };
          description = "Environment variables of the service.";
        };
        path = mkOption {
          type = types.listOf (types.oneOf [ types.package types.str ]);
          default = [ ];
          description = "Packages in the PATH of the service.";
        };
        serviceConfig = section "Settings of the [Service] section.";
        script = script "Shell commands that are the service.";
        scriptArgs = mkOption {
          type = types.str;
          default = "";
          description = "Arguments of `script`.";
        };
        preStart = script "Shell commands before the service.";
        postStart = script "Shell commands after the service has started.";
        reload = script "Shell commands that make the service read its configuration again.";
        preStop = script "Shell commands that stop the service.";
        postStop = script "Shell commands after the service.";
        restartIfChanged = mkOption {
          type = types.bool;
          default = true;
          description = "For a switch within a running system, which a guest does not do.";
        };
        reloadIfChanged = mkOption {
          type = types.bool;
          default = false;
          description = "For a switch within a running system, which a guest does not do.";
        };
        stopIfChanged = mkOption {
          type = types.bool;
          default = true;
          description = "For a switch within a running system, which a guest does not do.";
        };
        notSocketActivated = mkOption {
          type = types.bool;
          default = false;
          description = "For a switch within a running system, which a guest does not do.";
        };
        enableStrictShellChecks = mkOption {
          type = types.bool;
          default = false;
          description = "Whether scripts are checked by shellcheck; here bash checks their syntax.";
        };
        startAt = mkOption {
          type = types.coercedTo types.str lib.singleton (types.listOf types.str);
          default = [ ];
          example = "Sun 14:00:00";
          description = "When to start it, as a calendar event of systemd.time(7).";
        };
        confinement.enable = mkOption {
          type = types.bool;
          default = false;
          description = "Root directory of its own; needs mounts, which guests can't make: off.";
          apply = on: if on then throw "systemd.services.${name}.confinement is not in the Debian package set" else on;
        };
      };
      config = mkMerge [
        {
          path = lib.mkAfter [
            pkgs.coreutils
            pkgs.findutils
            pkgs.gnugrep
            pkgs.gnused
          ];
          environment.PATH = mkIf (config.path != [ ]) (lib.makeBinPath config.path);
        }
        (mkIf (config.preStart != "") { serviceConfig.ExecStartPre = [ (job name "pre-start" config.preStart) ]; })
        (mkIf (config.script != "") { serviceConfig.ExecStart = "${job name "start" config.script} ${config.scriptArgs}"; })
        (mkIf (config.postStart != "") { serviceConfig.ExecStartPost = [ (job name "post-start" config.postStart) ]; })
        (mkIf (config.reload != "") { serviceConfig.ExecReload = job name "reload" config.reload; })
        (mkIf (config.preStop != "") { serviceConfig.ExecStop = job name "pre-stop" config.preStop; })
        (mkIf (config.postStop != "") { serviceConfig.ExecStopPost = [ (job name "post-stop" config.postStop) ]; })
      ];
    };

  socketModule.options = {
    listenStreams = names "Stream addresses to listen on.";
    listenDatagrams = names "Datagram addresses to listen on.";
    socketConfig = section "Settings of the [Socket] section.";
  };
  timerModule.options.timerConfig = section "Settings of the [Timer] section.";
  pathModule.options.pathConfig = section "Settings of the [Path] section.";
  sliceModule.options.sliceConfig = section "Settings of the [Slice] section.";

  of = module: types.submodule [
    { options = common; }
    commonConfig
    module
  ];

  ## Text

  lines =
    attrs:
    concatStrings (
      concatMap (
        n:
        map (v: "${n}=${if v == true then "true" else if v == false then "false" else toString v}\n") (
          lib.filter (v: v != null) (lib.toList attrs.${n})
        )
      ) (lib.attrNames attrs)
    );
  unitSection = def: "[Unit]\n${lines def.unitConfig}";
  withSection = name: attrs: def: "${unitSection def}\n[${name}]\n${attrs}";
in
{
  types = {
    service = of serviceModule;
    socket = of socketModule;
    timer = of timerModule;
    path = of pathModule;
    slice = of sliceModule;
    target = of { };
  };

  serviceText =
    def:
    withSection "Service" (
      concatStrings (
        mapAttrsToList (n: v: "Environment=${builtins.toJSON "${n}=${toString v}"}\n") (
          lib.filterAttrs (_: v: v != null) def.environment
        )
      )
      + lines def.serviceConfig
    ) def;
  socketText =
    def:
    withSection "Socket" (
      lines def.socketConfig
      + lib.concatMapStrings (s: "ListenStream=${s}\n") def.listenStreams
      + lib.concatMapStrings (s: "ListenDatagram=${s}\n") def.listenDatagrams
    ) def;
  timerText = def: withSection "Timer" (lines def.timerConfig) def;
  pathText = def: withSection "Path" (lines def.pathConfig) def;
  sliceText = def: withSection "Slice" (lines def.sliceConfig) def;
  plainText = unitSection;

  unit = toText: def: {
    inherit (def) enable aliases wantedBy requiredBy upheldBy overrideStrategy;
    text = toText def;
  };

  unitType = types.submodule {
    options = {
      inherit (common) enable aliases wantedBy requiredBy upheldBy overrideStrategy;
      text = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The unit file.";
      };
    };
  };

  # The shell commands that make the unit directory.
  install =
    {
      upstream,
      upstreamUnits,
      upstreamWants,
      additionalUpstreamSystemUnits,
      suppressedSystemUnits,
      packages,
      defaultUnit,
      units,
    }:
    let
      esc = lib.escapeShellArg;
      chosen = lib.subtractLists suppressedSystemUnits (upstreamUnits ++ additionalUpstreamSystemUnits);
      one =
        { name, value }:
        let
          file = esc name;
          # Quoted here-documents: a unit's text is not the shell's to read.
          write = target: ''
            cat >${target} <<'End of unit'
            ${lib.removeSuffix "\n" value.text}
            End of unit
          '';
          links = kind: owner: ''
            mkdir -p ${esc "${owner}.${kind}"}
            ln -sfn ../${file} ${esc "${owner}.${kind}"}/
          '';
        in
        if !value.enable then
          ''
            rm -f ${file}
            ln -s /dev/null ${file}
          ''
        else
          lib.optionalString (value.text != null) (
            if value.overrideStrategy == "asDropin" then
              "mkdir -p ${file}.d\n" + write "${file}.d/overrides.conf"
            else
              ''
                if [ -e ${file} ] || [ -L ${file} ]; then
                  mkdir -p ${file}.d
                  target=${file}.d/overrides.conf
                else
                  target=${file}
                fi
              ''
              + write "\"$target\""
          )
          + concatStrings (map (a: "ln -sfn ${file} ${esc a}\n") value.aliases)
          + concatStrings (map (links "wants") value.wantedBy)
          + concatStrings (map (links "requires") value.requiredBy)
          + concatStrings (map (links "upholds") value.upheldBy);
    in
    ''
      mkdir $out
      cd $out
      # systemd's own, as far as this version has them.
      for u in ${toString (map esc chosen)}; do
        [ ! -e ${upstream}/"$u" ] || ln -s ${upstream}/"$u" .
      done
      for w in ${toString upstreamWants}; do
        for l in ${upstream}/$w/*; do
          u=''${l##*/}
          [ ! -e "$u" ] || { mkdir -p $w; ln -s ../"$u" $w/; }
        done
      done
      for p in ${toString packages}; do
        for u in $p/etc/systemd/system/* $p/lib/systemd/system/*; do
          [ -d "$u" ] || [ -e "''${u##*/}" ] || ln -s "$u" .
        done
      done
      ln -s ${esc defaultUnit} default.target
      ln -s reboot.target ctrl-alt-del.target
      ${concatStrings (map one units)}
    '';
}
