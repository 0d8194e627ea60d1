/* kmod - kernel modules, picked from a kernel's tree, with those they depend on. */
#ifndef NU_KMOD_H
#define NU_KMOD_H

#include <stdbool.h>
#include <stddef.h>

#include "say.h"
#include "util.h"

/* A kernel's modules. Start it as { 0 }. */
struct kmods {
	char *dir;
	struct strv files;    /* every module of it, by path */
	struct buf builtin;   /* modules.builtin: what that kernel has anyway */
	struct strv loaded;   /* names of those that kmods_need() has been through */
};

/* Reads what modules there are below dir: /lib/modules/VERSION, or the root of an unpacked
 * kernel package. 0, or -1 and e. */
int kmods_open(struct kmods *k, const char *dir, struct err *e);
void kmods_close(struct kmods *k);

/* Calls take() for the module and, before it, for those that it needs, each once and
 * decompressed. Nothing is done for what is built in. A module that isn't there is passed
 * over, or with `must` NU_MISSING. take's failure ends it. 0, or -1 and e. */
typedef int kmod_take(const char *name, const struct buf *module, void *data, struct err *e);
int kmods_need(struct kmods *k, const char *name, bool must, kmod_take *take, void *data,
	       struct err *e);

#endif
