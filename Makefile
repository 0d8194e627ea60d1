# nixunits - one static binary, its tests, its documentation.
#
#   make deps      the static archives this machine lacks, from Debian (lib/deps)
#   make           build/nixunits       (STATIC=0: linked dynamically)
#   make install   into DESTDIR/PREFIX  (make uninstall takes it away)
#   make check     the unit tests, under ASan and UBSan: no root needed
#   make test      every test, in disposable Debian hosts: as root
#   make bench     what is measured, against its peers
#   make fuzz      the parsers under libFuzzer, where clang is installed
#   make demo      the README's quick start, for real

VERSION = 0.1.0
PREFIX = /usr/local
DESTDIR =
STATIC = 1

CC = cc
AR = ar
STRIP = strip
CFLAGS = -Os -g
WARN = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wno-missing-field-initializers
B = build
# V=1 shows the commands.
Q = $(if $(V),,@)

cflags = -std=gnu11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -DPREFIX='"$(PREFIX)"' \
	-DSTATIC=$(STATIC) $(WARN) \
	-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -ffile-prefix-map=$(CURDIR)=. \
	-isystem $(B)/deps/include $(CFLAGS) $(CPPFLAGS)
# Constants in one segment with the code: no padding in between, and two mappings less.
ldflags = -Wl,--gc-sections -Wl,-z,noseparate-code -Wl,--build-id=none -L$(B)/deps/lib $(LDFLAGS)
libs = -lmnl -lcap -lcjson
ifeq ($(STATIC),1)
ldflags += -static
stamp = $(B)/deps/stamp
endif

lib_objs = $(patsubst %.c,$(B)/%.o,$(sort $(wildcard lib/*.c)))
applet_objs = $(patsubst %.c,$(B)/%.o,$(sort $(wildcard applets/*.c)))

all: $(B)/nixunits

# The archive is linked whole by need; the applets by name, since nothing but the
# section that they register in refers to them. Debug information stays in .debug.
$(B)/nixunits: $(applet_objs) $(B)/libnu.a $(B)/files.o
	@echo 'LD $@'
	$(Q)$(CC) $(cflags) $(ldflags) -o $@.debug $(applet_objs) $(B)/files.o $(B)/libnu.a $(libs)
	$(Q)$(STRIP) -o $@ $@.debug

# What nu-install installs is inside the binary. The directories are prerequisites as
# well: their time changes when a file comes or goes.
carried = $(sort $(wildcard flake.lock) $(shell find nix man ! -name '.*' ! -name '*~' ! -name '*.md'))
$(B)/files.S: lib/embed $(carried)
	@mkdir -p $(@D)
	find $(wildcard flake.lock) nix man -type f ! -name '.*' ! -name '*~' ! -name '*.md' | LC_ALL=C sort | \
		xargs sh lib/embed $(B)/files.gz >$@.new
	mv $@.new $@

$(B)/files.o: $(B)/files.S
	$(Q)$(CC) $(cflags) -c -o $@ $<

$(B)/libnu.a: $(lib_objs)
	@rm -f $@
	$(Q)$(AR) rcsD $@ $^

$(B)/%.o: %.c Makefile $(stamp)
	@mkdir -p $(@D)
	@echo 'CC $<'
	$(Q)$(CC) $(cflags) -MMD -MP -c -o $@ $<

-include $(applet_objs:.o=.d) $(lib_objs:.o=.d)

deps: $(B)/deps/stamp
$(B)/deps/stamp: lib/deps
	CC="$(CC)" sh lib/deps $(B)/deps

install: $(B)/nixunits
	$(B)/nixunits install --prefix "$(PREFIX)" --destdir "$(DESTDIR)"

uninstall: $(B)/nixunits
	$(B)/nixunits install --uninstall --prefix "$(PREFIX)" --destdir "$(DESTDIR)"

# The unit tests link the library as it is, compiled once more with ASan and UBSan.
units = $(patsubst t/unit/%.c,$(B)/unit/%,$(sort $(wildcard t/unit/*.c)))
san_objs = $(patsubst %.c,$(B)/san/%.o,$(sort $(wildcard lib/*.c)))
sanitize = -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

$(B)/san/%.o: %.c Makefile $(stamp)
	@mkdir -p $(@D)
	@echo 'CC $<, sanitized'
	$(Q)$(CC) $(cflags) $(sanitize) -MMD -MP -c -o $@ $<

$(B)/san/libnu.a: $(san_objs)
	@rm -f $@
	$(Q)$(AR) rcsD $@ $^

$(B)/unit/%: t/unit/%.c t/unit/tap.h $(B)/san/libnu.a
	@mkdir -p $(@D)
	@echo 'LD $@'
	$(Q)$(CC) $(cflags) $(sanitize) -L$(B)/deps/lib -o $@ $< $(B)/san/libnu.a $(libs)

-include $(san_objs:.o=.d) $(patsubst $(B)/%.o,$(B)/san/%.d,$(applet_objs))

# The applets likewise: t/sanitize.t.
$(B)/san/nixunits: $(patsubst %.c,$(B)/san/%.o,$(sort $(wildcard applets/*.c))) $(B)/files.o $(B)/san/libnu.a
	@echo 'LD $@'
	$(Q)$(CC) $(cflags) $(sanitize) -L$(B)/deps/lib -o $@ $^ $(libs)

units: $(units)

check: units
	prove --exec '' $(units)

# What the tests need from Debian is installed where it is missing.
test-deps:
	@wanted=$$(sed 's/#.*//' t/host/packages); \
	[ "$$(dpkg-query -W -f '$${db:Status-Status}\n' $$wanted 2>/dev/null | grep -cx installed)" \
		-eq "$$(echo $$wanted | wc -w)" ] || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
		apt-get -qq install --no-install-recommends $$wanted >/dev/null; }

# In two steps: make looks for compilers and libraries only once they are there.
test: test-deps
	+$(MAKE) all units
	prove --timer $(PROVE_FLAGS) t/lib t/host t

# What reads the bytes of others, with clang's libFuzzer, all of it at once: make fuzz SECONDS=600
SECONDS = 60
fuzz: all
	t/fuzz/run $(SECONDS)

bench: all
	t/bench/run
	t/bench/direct
	t/bench/net
	t/bench/overlay
	t/bench/image
	t/bench/nix

demo:
	t/host/demo

clean:
	rm -rf $(B)

.PHONY: all deps install uninstall units check test-deps test fuzz bench demo clean
